package central

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"gatehouse/api/admin"
	"gatehouse/central/store"
)

// adminSettingRoutes are how an organisation reaches services: mail, text messages, OpenID providers.
func (s *Server) adminSettingRoutes() []route {
	list := []route{{"GET", "/settings/oidc/", adminsOnly, s.listOIDC}}
	for _, k := range s.settingKinds() {
		at := settingEndpoint{s, k}
		list = append(list,
			route{"GET", k.path, adminsOnly, at.get},
			route{"PUT", k.path, adminsOnly, at.put},
			route{"DELETE", k.path, adminsOnly, at.delete})
		if k.try != nil {
			list = append(list, route{"POST", k.path + "test/", adminsOnly, at.test})
		}
	}
	return list
}

// settingKind is one kind of setting.
type settingKind struct {
	kind, path          string
	secret, destination string // names of fields: what is never shown, and to whom it goes
	show                func(v store.Setting) (any, error)
	check               func(f *fields)
	// try has the fields of the request; nil where that has no body. nil itself: there is nothing to try.
	try func(ctx context.Context, v store.Setting, secret string, f *fields) error
}

func (s *Server) settingKinds() []settingKind {
	return []settingKind{
		{"mail", "/settings/mail/", "password", "host", showMail, checkMail, s.tryMail},
		{"sms", "/settings/sms/", "secret", "url", showSMS, func(*fields) {}, s.trySMS},
		{"proofs", "/settings/proofs/", "", "", showProofs, checkProofs, nil},
		{"certificates", "/settings/certificates/", "secret", "server", showCertificates, s.checkCertificates, s.tryCertificates},
		{"oidc", "/settings/oidc/{name}/", "client_secret", "issuer", showOIDC, checkOIDC, s.tryOIDC},
	}
}

// settingEndpoint serves one kind.
type settingEndpoint struct {
	*Server
	settingKind
}

// place is whose setting a request is about, and which.
func (e settingEndpoint) place(c *call) (organization int64, kind string, err error) {
	if organization, err = e.settingOrganization(c); err != nil {
		return 0, "", err
	}
	kind = e.kind
	if name := c.PathValue("name"); name != "" {
		kind += "/" + name
	}
	return organization, kind, nil
}

func (s *Server) settingOrganization(c *call) (int64, error) {
	text := c.FormQuery("organization")
	if text == "" {
		return c.token.Scope.Own(), nil
	}
	id, ok, err := s.organization(c, text)
	if err == nil && !ok {
		err = notFound()
	}
	return id, err
}

func (e settingEndpoint) get(c *call) (int, any, error) {
	organization, kind, err := e.place(c)
	if err != nil {
		return 0, nil, err
	}
	v, err := e.cfg.Store.Setting(c.Context(), organization, kind)
	if err != nil {
		return 0, nil, err
	}
	return e.answer(c, http.StatusOK, v)
}

func (e settingEndpoint) answer(c *call, status int, v store.Setting) (int, any, error) {
	c.etag(v.Version)
	shown, err := e.show(v)
	return status, shown, err
}

// put replaces the setting. A secret that the body does not name stays, but not for another destination: whoever may change
// that must not be told the secret by it.
func (e settingEndpoint) put(c *call) (int, any, error) {
	organization, kind, err := e.place(c)
	if err != nil {
		return 0, nil, err
	}
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	if e.check(f); f.err() != nil {
		return 0, nil, f.err()
	}
	secret := f.text(e.secret)
	if secret != nil && *secret != "" && e.cfg.Secrets == nil {
		return 0, nil, conflict("The centre has no key to keep secrets with: see --secrets-key.")
	}
	body := make(map[string]json.RawMessage, len(f.raw))
	for name, raw := range f.raw {
		if name != e.secret {
			body[name] = raw
		}
	}
	text, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	created := false
	v, err := e.cfg.Store.PutSetting(c.Context(), organization, kind, func(v *store.Setting) error {
		if created = v.Version == 0; !created {
			if err := c.match(v.Version); err != nil {
				return err
			}
		}
		switch {
		case f.has(e.secret) && (secret == nil || *secret == ""):
			v.Sealed = nil
		case secret != nil:
			v.Sealed = e.cfg.Secrets.Seal(settingPurpose(organization, kind), []byte(*secret))
		case v.Sealed != nil && stringField(v.Body, e.destination) != stringField(text, e.destination):
			return invalidField(e.secret, "It must be given again, because "+e.destination+" is another one now.")
		}
		v.Body = text
		return nil
	}, secretNames(e.secret, secret)...)
	if err != nil {
		return 0, nil, err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return e.answer(c, status, v)
}

func secretNames(name string, value *string) []string {
	if value == nil {
		return nil
	}
	return []string{name}
}

func stringField(body json.RawMessage, name string) string {
	var all map[string]json.RawMessage
	var text string
	_ = json.Unmarshal(body, &all) // an object of ours
	_ = json.Unmarshal(all[name], &text)
	return text
}

func settingPurpose(organization int64, kind string) string {
	return fmt.Sprintf("setting %d %s", organization, kind)
}

func (e settingEndpoint) delete(c *call) (int, any, error) {
	organization, kind, err := e.place(c)
	if err != nil {
		return 0, nil, err
	}
	err = e.cfg.Store.DeleteSetting(c.Context(), organization, kind, func(v store.Setting) error { return c.match(v.Version) })
	return http.StatusNoContent, nil, err
}

// tryTime is how long a service may take to answer a test.
const tryTime = 20 * time.Second

// test tries what is stored, and tells what the service said.
func (e settingEndpoint) test(c *call) (int, any, error) {
	organization, kind, err := e.place(c)
	if err != nil {
		return 0, nil, err
	}
	v, err := e.cfg.Store.Setting(c.Context(), organization, kind)
	if err != nil {
		return 0, nil, err
	}
	secret, err := e.settingSecret(organization, v)
	if err != nil {
		return 0, nil, err
	}
	ctx, cancel := context.WithTimeout(c.Context(), tryTime)
	defer cancel()
	began := e.cfg.Clock.Mono()
	result := admin.TestResult{OK: true}
	if err := e.try(ctx, v, secret, c.fields); err != nil {
		text := err.Error()
		if len(secret) > 0 { // whoever repeats what was sent to him
			text = strings.ReplaceAll(text, secret, "[hidden]")
		}
		result.OK, result.Error = false, &text
	}
	result.Milliseconds = (e.cfg.Clock.Mono() - began).Milliseconds()
	return http.StatusOK, result, nil
}

// settingSecret is the secret of a setting of an organisation; empty when it has none.
func (s *Server) settingSecret(organization int64, v store.Setting) (string, error) {
	switch {
	case v.Sealed == nil:
		return "", nil
	case s.cfg.Secrets == nil:
		return "", conflict("The secret cannot be read: the centre has no key for secrets. See --secrets-key.")
	}
	secret, err := s.cfg.Secrets.Open(settingPurpose(organization, v.Kind), v.Sealed)
	if err != nil {
		return "", conflict("The secret cannot be read: " + err.Error() + ". Give it anew.")
	}
	return string(secret), nil
}

func (s *Server) listOIDC(c *call) (int, any, error) {
	organization, err := s.settingOrganization(c)
	if err != nil {
		return 0, nil, err
	}
	list, err := s.cfg.Store.Settings(c.Context(), organization, "oidc/")
	if err != nil {
		return 0, nil, err
	}
	page := admin.Page[any]{Results: make([]any, len(list))}
	for i, v := range list {
		if page.Results[i], err = showOIDC(v); err != nil {
			return 0, nil, err
		}
	}
	return http.StatusOK, page, nil
}

func showMail(v store.Setting) (any, error) {
	m := admin.MailSettings{PasswordSet: v.Sealed != nil, Updated: v.Updated, Version: v.Version}
	return m, json.Unmarshal(v.Body, &m)
}

// checkMail keeps a password from crossing the network in clear.
func checkMail(f *fields) {
	if security := f.text("security"); *security == admin.SecurityNone && !f.null("password") {
		f.wrong("security", "With a password it must be starttls or tls: without, the password would cross the network in clear.")
	}
	if f.null("username") != f.null("password") && f.has("password") {
		f.wrong("username", "User name and password go together.")
	}
}

func showSMS(v store.Setting) (any, error) {
	m := admin.SMSSettings{Method: http.MethodPost, Headers: map[string]string{}, SecretSet: v.Sealed != nil, Updated: v.Updated, Version: v.Version}
	return m, json.Unmarshal(v.Body, &m)
}

func showProofs(v store.Setting) (any, error) {
	m := admin.ProofSettings{MailsPerDay: mailsPerDay, TextsPerDay: textsPerDay, Prefixes: []string{}, Sponsors: []string{},
		Texts: map[string]map[string]string{}, Updated: v.Updated, Version: v.Version}
	return m, json.Unmarshal(v.Body, &m)
}

// checkProofs sees that no message of the house's own lacks what it is sent for.
func checkProofs(f *fields) {
	var texts map[string]map[string]string
	if f.list("texts", &texts); f.err() != nil {
		return
	}
	for language, list := range texts {
		for name, text := range list {
			ours, known := messages["en"][name]
			switch {
			case messages[language] == nil || !known:
				f.wrong("texts", "There is no message "+language+"."+name+".")
			case strings.Contains(ours, "{code}") && !strings.Contains(text, "{code}"), strings.Contains(ours, "{link}") && !strings.Contains(text, "{link}"):
				f.wrong("texts", "The message "+language+"."+name+" lacks {code} or {link}, which it is sent for.")
			}
		}
	}
}

// checkOIDC sees that nothing is opened to captive devices that makes them believe that they are online.
func checkOIDC(f *fields) {
	var hosts []string
	f.list("hosts", &hosts)
	for _, h := range hosts {
		if coversProbe(strings.ToLower(h)) {
			f.wrong("hosts", h+" must not be open before the login: devices ask there whether they are online, and would not show the login page any more.")
		}
	}
}

func showOIDC(v store.Setting) (any, error) {
	m := admin.OIDCSettings{Scopes: []string{"openid", "email"}, Hosts: []string{}, Domains: []string{}, Groups: []string{}, GroupsClaim: "groups",
		ClientSecretSet: v.Sealed != nil, Updated: v.Updated, Version: v.Version}
	m.Name = strings.TrimPrefix(v.Kind, "oidc/")
	return m, json.Unmarshal(v.Body, &m)
}
