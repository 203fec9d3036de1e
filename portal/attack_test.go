package portal

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"gatehouse/sessions"
)

// startAll is a portal with every way in, and a manager that lets nobody in and counts what it is asked to change.
func startAll(t *testing.T) (b *bench, changes *int) {
	changes = new(int)
	b = start(t, func(c *Config) { c.WISPr = map[string]WISPr{"guest": {}} })
	z := &b.manager.zone
	z.Methods = slices.Sorted(maps.Keys(b.portal.way))
	z.Trial = &sessions.Trial{Limits: sessions.Limits{SessionTimeout: new(15 * time.Minute)}, PerDay: 1}
	b.manager.login = func(context.Context, sessions.LoginRequest) (sessions.Session, error) {
		*changes++
		return sessions.Session{}, &sessions.Refusal{Reason: sessions.RefusedCredentials}
	}
	b.manager.logout = func(context.Context, sessions.Station, sessions.TerminateCause) (sessions.Session, error) {
		*changes++
		return sessions.Session{}, &sessions.Refusal{Reason: sessions.RefusedNotLoggedIn}
	}
	b.manager.change = func(string) (sessions.Session, error) {
		*changes++
		return sessions.Session{}, &sessions.Refusal{Reason: sessions.RefusedNotLoggedIn}
	}
	b.manager.renew = func(string) error {
		*changes++
		return &sessions.Refusal{Reason: sessions.RefusedCredentials}
	}
	b.manager.begin = func(sessions.ProofRequest) (sessions.Proof, error) {
		*changes++
		return sessions.Proof{}, &sessions.Refusal{Reason: sessions.RefusedCentreAway}
	}
	b.manager.ready = func(sessions.Password) (bool, error) { return false, nil }
	return b, changes
}

// patterns are the portal's own pages of a method, without wildcards.
func (b *bench) patterns(method string) (paths []string) {
	for _, p := range b.portal.pages() {
		m, path, _ := strings.Cut(p.pattern, " ")
		if path, _ = strings.CutSuffix(path, "{$}"); m == method && !strings.Contains(path, "{") {
			paths = append(paths, path)
		}
	}
	return paths
}

// fields are all that the portal's forms ask, for a guest who is not in and for one who is.
func (b *bench) fields() (names []string) {
	b.Helper()
	for _, s := range []*sessions.Session{nil, {AcctSessionID: "1", Station: phone, Username: "ann", Source: sessions.SourceLocal}} {
		b.manager.set(s)
		for _, path := range b.patterns("GET") {
			for _, m := range regexp.MustCompile(`name="([a-z_]+)"`).FindAllStringSubmatch(b.get(path).body, -1) {
				names = append(names, m[1])
			}
		}
	}
	b.manager.set(nil)
	slices.Sort(names)
	if names = slices.Compact(names); len(names) < 8 {
		b.Fatalf("the forms ask for no more than %q", names)
	}
	return append(names, "UserName", "Password", "session", "lang")
}

// TestCrossSiteForms: no form does anything that came from another site, or without the token that the page had.
func TestCrossSiteForms(t *testing.T) {
	b, changes := startAll(t)
	fields := b.fields()
	if *changes > 0 {
		t.Fatal("loading pages changes something")
	}
	form := url.Values{}
	for _, name := range fields {
		form.Set(name, "1")
	}
	token := b.token()
	for _, path := range b.patterns("POST") {
		for _, c := range []struct{ from, token string }{
			{"Origin: http://evil.example\r\n", token},
			{"Origin: null\r\n", token},
			{"Sec-Fetch-Site: cross-site\r\n", token},
			{"Sec-Fetch-Site: same-site\r\n", token},
			{"", ""},
			{"", "AAAAAAAAAAAAAAAAAAAAAAAAAAA"},
			{"", token[:len(token)-2] + "AA"},
		} {
			if c.from == "" && strings.HasPrefix(path, "/wispr/") {
				continue // software knows no token
			}
			for _, s := range []*sessions.Session{nil, {AcctSessionID: "1", Station: phone}} {
				b.manager.set(s)
				form.Set("token", c.token)
				for _, m := range b.manager.zone.Methods {
					form.Set("method", string(m))
					if got := b.post(path, c.from, form); got.status >= 500 || *changes > 0 {
						t.Fatalf("POST %s as %s, %q, token %q: status %d, %d changes", path, m, c.from, c.token, got.status, *changes)
					}
				}
			}
		}
	}
}

// TestSecretsStayOut: what a guest types reaches neither the log nor an address, whatever goes wrong.
func TestSecretsStayOut(t *testing.T) {
	b, _ := startAll(t)
	const secret = "N0b0dyMayReadTh1s"
	fields := b.fields()
	token := b.token()
	fault := func() (sessions.Session, error) { return sessions.Session{}, errors.New("disk full") }
	b.manager.login = func(context.Context, sessions.LoginRequest) (sessions.Session, error) { return fault() }
	b.manager.change = func(string) (sessions.Session, error) { return fault() }
	b.manager.renew = func(string) error { return errors.New("disk full") }
	b.manager.begin = func(sessions.ProofRequest) (sessions.Proof, error) { return sessions.Proof{}, errors.New("disk full") }
	for _, path := range b.patterns("POST") {
		for _, m := range b.manager.zone.Methods {
			form := url.Values{}
			for _, name := range fields {
				form.Set(name, secret)
			}
			form.Set("token", token)
			form.Set("method", string(m))
			if got := b.post(path, "", form); strings.Contains(got.header.Get("Location"), secret) {
				t.Errorf("POST %s as %s leads to %s", path, m, got.header.Get("Location"))
			}
		}
	}
	if !strings.Contains(b.log.String(), "disk full") {
		t.Error("no fault came to the log")
	}
	if strings.Contains(b.log.String(), secret) {
		t.Errorf("the log has it:\n%s", b.log)
	}
}

// TestInjectionInEveryField: whatever stands in a field, a page stays the page that it was.
func TestInjectionInEveryField(t *testing.T) {
	b, _ := startAll(t)
	fields := b.fields()
	token := b.token()
	each := func(what, evil string, names ...string) {
		for _, s := range []*sessions.Session{nil, {AcctSessionID: "1", Station: phone}} {
			b.manager.set(s)
			form := url.Values{"username": {"ann"}, "password": {"x"}, "code": {"x"}, "method": {"password"}, "filled": {"1"}}
			for _, name := range names {
				form.Set(name, evil)
			}
			for _, path := range b.patterns("GET") {
				b.harmless("GET "+path+" "+what, evil, b.get(path+"?"+form.Encode()))
			}
			if what != "token" {
				form.Set("token", token)
			}
			for _, path := range b.patterns("POST") {
				for i, m := range b.manager.zone.Methods {
					if i > 0 && path != "/login" && path != "/proof" {
						break // only these two look at it
					}
					if form.Set("method", string(m)); what == "method" {
						form.Set("method", evil)
					}
					b.harmless("POST "+path+" "+what, evil, b.post(path, "", form))
				}
			}
		}
	}
	for i, evil := range []string{
		`"><script>alert(1)</script>`, `' onmouseover=alert(1) x='`, `</title><svg onload=alert(1)>`, "javascript:alert(1)", "//evil.example/", `/\evil.example`,
		"http://evil.example\r\nSet-Cookie: a=b", "%0d%0aSet-Cookie: a=b", "{{7*7}}${7*7}", "\x00\xff\xfe", "1' OR '1'='1", "--><b>", strings.Repeat("A", 300),
		"data:text/html,<script>alert(1)</script>", "http://a:b@evil.example/", "\u202egpj.exe",
	} {
		each("all", evil, fields...)
		for _, name := range fields {
			if i == 0 {
				each(name, evil, name)
			}
		}
	}
}

// harmless looks that nothing in an answer is somebody else's.
func (b *bench) harmless(what, evil string, got answered) {
	b.Helper()
	if got.status >= 500 || len(got.header["Set-Cookie"]) > 0 {
		b.Fatalf("%s = %.60q: status %d, %q", what, evil, got.status, got.header)
	}
	if at := got.header.Get("Location"); at != "" && (!strings.HasPrefix(at, "/") || strings.HasPrefix(at, "//") || strings.HasPrefix(at, `/\`)) {
		b.Fatalf("%s = %.60q: leads to %q", what, evil, at)
	}
	if !strings.Contains(got.header.Get("Content-Type"), "text/html") || got.status == http.StatusNotFound {
		return
	}
	page, err := html.Parse(strings.NewReader(got.body))
	if err != nil {
		b.Fatal(err)
	}
	for n := range page.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if slices.Contains([]string{"script", "iframe", "object", "embed", "base", "b"}, n.Data) {
			b.Fatalf("%s = %.60q: the page has a <%s>", what, evil, n.Data)
		}
		for _, a := range n.Attr {
			leads := a.Key == "href" || a.Key == "src" || a.Key == "action" || a.Key == "formaction"
			if strings.HasPrefix(a.Key, "on") || leads && !regexp.MustCompile(`^(/($|[^/\\])|[?#]|https?://[^@]*$|data:,|data:image/)`).MatchString(a.Val) {
				b.Fatalf("%s = %.60q: the page has %s=%q in <%s>", what, evil, a.Key, a.Val, n.Data)
			}
		}
	}
}
