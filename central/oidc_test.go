package central_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/api/edge"
	"gatehouse/api/gate"
	"gatehouse/central"
	"gatehouse/lab/openid"
)

const portalPage = "http://192.0.2.1:2080/oidc?lang=de"

// signInRig is a centre with a real OpenID provider, behind a proxy by which tests may tamper with what it tells the centre.
type signInRig struct {
	*centre
	issuer string
	made   map[string]bool // providers
	mu     sync.Mutex
	tamper func(path string, answer map[string]any) // with what is JSON; nil: nothing
	tokens []string                                 // ID tokens that were given
}

func newSignInRig(t *testing.T) *signInRig {
	r := &signInRig{made: map[string]bool{}}
	var public url.URL
	r.centre = newCentre(t, withSecrets(t), withLoopback, func(c *central.Config) { c.PublicURL = &public })
	u, err := url.Parse(r.url)
	if err != nil {
		t.Fatal(err)
	}
	public = *u
	r.clock.Skew(time.Since(r.clock.Now())) // the provider has no other clock than the machine's
	proxy := &httputil.ReverseProxy{ModifyResponse: r.pass}
	front := httptest.NewServer(proxy)
	t.Cleanup(front.Close)
	r.issuer = front.URL
	target := &url.URL{Scheme: "http", Host: openid.Start(t, openid.Build(t), r.issuer, r.url+"/oidc/callback")}
	proxy.Rewrite = func(p *httputil.ProxyRequest) { p.SetURL(target) }
	r.provide("work", nil)
	return r
}

// provide sets a provider up for acme, with more settings.
func (r *signInRig) provide(name string, more map[string]any) {
	r.t.Helper()
	body := map[string]any{"display_name": "Work", "issuer": r.issuer, "client_id": openid.Client, "client_secret": openid.Secret,
		"scopes": []string{"openid", "email", "profile"}}
	for k, v := range more {
		body[k] = v
	}
	status := http.StatusOK
	if !r.made[name] {
		status = http.StatusCreated
	}
	r.made[name] = true
	r.setting(status, "PUT", "oidc/"+name, body)
}

func (r *signInRig) pass(answer *http.Response) error {
	if !strings.HasPrefix(answer.Header.Get("Content-Type"), "application/json") {
		return nil
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	var doc map[string]any
	if json.Unmarshal(text, &doc) == nil {
		r.mu.Lock()
		if token, ok := doc["id_token"].(string); ok {
			r.tokens = append(r.tokens, token)
		}
		if r.tamper != nil {
			r.tamper(answer.Request.URL.Path, doc)
		}
		r.mu.Unlock()
		if text, err = json.Marshal(doc); err != nil {
			return err
		}
	}
	answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	answer.Header.Del("Content-Length")
	return nil
}

func (r *signInRig) tampering(f func(path string, answer map[string]any)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tamper = f
}

func (r *signInRig) signIn() edge.ProofAnswer {
	r.t.Helper()
	a, _ := r.begin(http.StatusCreated, edge.ProofRequest{Method: "oidc", Provider: "work", ReturnURL: portalPage, Locale: "de", Terms: "2026-11"})
	return a
}

// comeBack is a browser that the provider has sent to the centre: what the centre tells the portal, or the page that it shows.
func (r *signInRig) comeBack(to *url.URL) (word, handle, page string) {
	r.t.Helper()
	if !strings.HasPrefix(to.String(), r.url+"/oidc/callback?") {
		r.t.Fatalf("the provider sends the browser to %s", to)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Get(to.String())
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	back, err := answer.Location()
	if err != nil {
		return "", "", answer.Status + "\n" + string(text)
	}
	if !strings.HasPrefix(back.String(), "http://192.0.2.1:2080/oidc?") || back.Query().Get("lang") != "de" || len(back.Query()) != 2 {
		r.t.Errorf("the centre sends the browser to %s", back)
	}
	return back.Query().Get("e"), back.Query().Get("h"), ""
}

// arrive signs a user in from the beginning to the handle.
func (r *signInRig) arrive(user string) (a edge.ProofAnswer, word, handle string) {
	r.t.Helper()
	a = r.signIn()
	word, handle, page := r.comeBack(openid.Browse(r.t, a.URL, user))
	if page != "" {
		r.t.Fatal(page)
	}
	return a, word, handle
}

func TestSignIn(t *testing.T) {
	r := newSignInRig(t)
	var feed edge.ChangesAnswer
	r.want(http.StatusOK, ask{who: "acme-west edge", method: "GET", path: edge.ChangesPath, header: map[string]string{edge.NASHeader: "gw1"}}, &feed)
	if diff := cmp.Diff([]edge.Provider{{Name: "work", Title: "Work"}}, feed.Providers); diff != "" {
		t.Errorf("buttons of a gateway below (-want +got):\n%s", diff)
	}
	a := r.signIn()
	if diff := cmp.Diff([]string{"127.0.0.1"}, a.Names); diff != "" || a.ExpiresIn != 600 {
		t.Errorf("names (-want +got), %d s:\n%s", a.ExpiresIn, diff)
	}
	at, err := url.Parse(a.URL)
	if err != nil {
		t.Fatal(err)
	}
	q := at.Query()
	if q.Get("code_challenge_method") != "S256" || q.Get("state") == "" || q.Get("nonce") == "" || q.Get("redirect_uri") != r.url+"/oidc/callback" ||
		q.Get("ui_locales") != "de" || q.Get("response_type") != "code" {
		t.Errorf("the request: %s", a.URL)
	}
	wantState(t, r.check(a.Ticket, ""), edge.ProofPending)
	to := openid.Browse(t, a.URL, openid.User(r.issuer))
	word, handle, _ := r.comeBack(to)
	if word != "" || len(handle) != 30 {
		t.Fatalf("%q %q", word, handle)
	}
	wantState(t, r.check(a.Ticket, ""), edge.ProofPending) // the ticket alone is not enough
	if _, _, page := r.comeBack(to); !strings.Contains(page, "410 Gone") || !strings.Contains(page, "This sign-in is over") {
		t.Errorf("the same answer again: %s", page)
	}
	for name, change := range map[string]func(*ask, *edge.ProofCheck){
		"another station": func(_ *ask, q *edge.ProofCheck) { q.CallingStationID = "02-00-5E-10-00-02" },
		"another zone":    func(_ *ask, q *edge.ProofCheck) { q.Zone = "staff" },
		"another gateway": func(a *ask, _ *edge.ProofCheck) { a.header = map[string]string{edge.NASHeader: "gw2"} },
	} {
		if got := r.check(a.Ticket, handle, change); got.State != edge.ProofExpired {
			t.Errorf("%s: %+v", name, got)
		}
	}
	wantState(t, r.check(a.Ticket, strings.Repeat("1", 30)), edge.ProofWrong)
	first := r.check(a.Ticket, handle)
	wantState(t, first, edge.ProofGiven)
	wantState(t, r.check(a.Ticket, handle), edge.ProofExpired) // once
	var u gate.User
	r.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: "/api/v1/user/username/" + first.Account.Username + "/"}, &u)
	if !strings.HasPrefix(u.Username, "oidc.") || u.Email == nil || *u.Email != "test-user@zitadel.ch" || *u.FirstName != "Test" || *u.LastName != "User" {
		t.Errorf("user %+v", u)
	}

	// The same person has the same account. Another one does not get it, although an administrator gave him its address.
	b, _, handle := r.arrive(openid.User(r.issuer))
	if again := r.check(b.Ticket, handle); again.Account == nil || again.Account.UserID != first.Account.UserID {
		t.Errorf("another account: %+v", again)
	}
	c, _, handle := r.arrive(openid.OtherUser)
	if other := r.check(c.Ticket, handle); other.Account == nil || other.Account.UserID == first.Account.UserID {
		t.Errorf("the same account: %+v", other)
	}
	code := to.Query().Get("code")
	for _, secret := range []string{a.Ticket, handle, code, q.Get("state"), q.Get("nonce"), openid.Secret + `"`} {
		if strings.Contains(r.log.String(), secret) {
			t.Errorf("a secret is in the log: %s", secret)
		}
	}
}

// TestSignInAttacks: what must not let anybody in, and what the guest is told.
func TestSignInAttacks(t *testing.T) {
	r := newSignInRig(t)
	user := openid.User(r.issuer)
	edit := func(u string, f func(url.Values)) string {
		at, err := url.Parse(u)
		if err != nil {
			t.Fatal(err)
		}
		q := at.Query()
		f(q)
		at.RawQuery = q.Encode()
		return at.String()
	}
	set := func(to *url.URL, name, value string) *url.URL {
		at, _ := url.Parse(edit(to.String(), func(q url.Values) { q.Set(name, value) })) // one of ours
		return at
	}
	swap := func(token string) func(string, map[string]any) {
		return func(_ string, answer map[string]any) {
			if answer["id_token"] != nil {
				answer["id_token"] = token
			}
		}
	}
	_, _, _ = r.arrive(user)
	old := r.tokens[0]
	for name, test := range map[string]struct {
		back func(a edge.ProofAnswer) *url.URL
		word string
		log  string
	}{
		"the guest says no": {func(a edge.ProofAnswer) *url.URL {
			at, _ := url.Parse(a.URL)
			to, _ := url.Parse(r.url + "/oidc/callback?error=access_denied&state=" + at.Query().Get("state"))
			return to
		}, "denied", "the provider says no"},
		"the provider has a fault": {func(a edge.ProofAnswer) *url.URL {
			at, _ := url.Parse(a.URL)
			to, _ := url.Parse(r.url + "/oidc/callback?error=server_error&error_description=%3Cscript%3E&state=" + at.Query().Get("state"))
			return to
		}, "failed", "the provider says no"},
		"another nonce": {func(a edge.ProofAnswer) *url.URL {
			return openid.Browse(t, edit(a.URL, func(q url.Values) { q.Set("nonce", "mine") }), user)
		}, "failed", "not for this sign-in"},
		"no proof of the request": {func(a edge.ProofAnswer) *url.URL { // PKCE
			return openid.Browse(t, edit(a.URL, func(q url.Values) { q.Set("code_challenge", strings.Repeat("a", 43)) }), user)
		}, "failed", "does not take the code"},
		"a code of somebody else": {func(a edge.ProofAnswer) *url.URL {
			other := openid.Browse(t, r.signIn().URL, openid.OtherUser)
			return set(openid.Browse(t, a.URL, user), "code", other.Query().Get("code"))
		}, "failed", "does not take the code"},
		"a code for another client": {func(a edge.ProofAnswer) *url.URL {
			return openid.Browse(t, edit(a.URL, func(q url.Values) { q.Set("client_id", openid.OtherClient) }), user)
		}, "failed", "does not take the code"},
		"an answer of another provider": {func(a edge.ProofAnswer) *url.URL {
			return set(openid.Browse(t, a.URL, user), "iss", "https://evil.example")
		}, "failed", "another provider's"},
		"no code": {func(a edge.ProofAnswer) *url.URL { return set(openid.Browse(t, a.URL, user), "code", "") }, "failed", "does not take the code"},
		"an old token": {func(a edge.ProofAnswer) *url.URL {
			r.tampering(swap(old))
			return openid.Browse(t, a.URL, user)
		}, "failed", "not for this sign-in"},
		"a token of nobody": {func(a edge.ProofAnswer) *url.URL {
			r.tampering(swap("eyJhbGciOiJub25lIn0.e30."))
			return openid.Browse(t, a.URL, user)
		}, "failed", "the ID token is not good"},
	} {
		t.Run(name, func(t *testing.T) {
			a := r.signIn()
			to := test.back(a)
			word, handle, page := r.comeBack(to)
			r.tampering(nil)
			if word != test.word || handle != "" || page != "" {
				t.Errorf("%q %q %s, want %q", word, handle, page, test.word)
			}
			if !strings.Contains(r.log.String(), test.log) {
				t.Errorf("the log does not say %q", test.log)
			}
			wantState(t, r.check(a.Ticket, ""), edge.ProofDenied)
			if _, _, page := r.comeBack(to); !strings.Contains(page, "410 Gone") {
				t.Errorf("again: %s", page)
			}
		})
	}
	state, err := url.Parse(r.url + "/oidc/callback?code=x&state=" + strings.Repeat("A", 26))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, page := r.comeBack(state); !strings.Contains(page, "410 Gone") {
		t.Errorf("a state that nobody was given: %s", page)
	}
	late := r.signIn()
	to := openid.Browse(t, late.URL, user)
	r.clock.Advance(10 * time.Minute)
	if _, _, page := r.comeBack(to); !strings.Contains(page, "410 Gone") {
		t.Errorf("too late: %s", page)
	}
}

// TestSignInClocks: a provider's clock may be a little off, and no more.
func TestSignInClocks(t *testing.T) {
	r := newSignInRig(t)
	now := r.clock.Now()
	for _, step := range []struct {
		ahead time.Duration // the centre's clock
		word  string
	}{{0, ""}, {-2 * time.Minute, ""}, {5*time.Minute + 30*time.Second, ""}, {2 * time.Hour, "failed"}} {
		r.clock.Skew(now.Add(step.ahead).Sub(r.clock.Now()))
		a := r.signIn()
		if word, _, page := r.comeBack(openid.Browse(t, a.URL, openid.User(r.issuer))); word != step.word || page != "" {
			t.Errorf("the centre is %v ahead: %q, want %q %s", step.ahead, word, step.word, page)
		}
	}
}

// TestSignInIsRestricted: who is not of the house, what may not be set, and providers that are not there.
func TestSignInIsRestricted(t *testing.T) {
	r := newSignInRig(t)
	groups := func(value any) {
		r.tampering(func(_ string, answer map[string]any) {
			if answer["sub"] != nil { // user info
				answer["groups"], answer["realm"] = value, map[string]any{"roles": []string{"guest"}}
			}
		})
	}
	for _, step := range []struct {
		name     string
		settings map[string]any
		groups   any
		word     string
	}{
		{"domain", map[string]any{"domains": []string{"zitadel.ch"}}, nil, ""},
		{"another domain", map[string]any{"domains": []string{"example.net"}}, nil, "elsewhere"},
		{"group", map[string]any{"groups": []string{"staff", "it"}}, []string{"sales", "it"}, ""},
		{"group as a text", map[string]any{"groups": []string{"it"}}, "it", ""},
		{"no group", map[string]any{"groups": []string{"it"}}, nil, "elsewhere"},
		{"role within a claim", map[string]any{"groups": []string{"guest"}, "groups_claim": "realm.roles"}, nil, ""},
		{"both", map[string]any{"groups": []string{"guest"}, "groups_claim": "realm.roles", "domains": []string{"example.net"}}, nil, "elsewhere"},
	} {
		r.provide("work", step.settings)
		groups(step.groups)
		if _, word, handle := r.arrive(openid.User(r.issuer)); word != step.word || (handle != "") != (step.word == "") {
			t.Errorf("%s: %q %q, want %q", step.name, word, handle, step.word)
		}
	}
	r.tampering(func(_ string, answer map[string]any) {
		if answer["email_verified"] != nil {
			answer["email_verified"] = false
		}
	})
	r.provide("work", map[string]any{"domains": []string{"zitadel.ch"}})
	if _, word, _ := r.arrive(openid.User(r.issuer)); word != "elsewhere" {
		t.Errorf("an address that nobody vouches for: %q", word)
	}
	r.tampering(func(_ string, answer map[string]any) {
		if answer["email"] != nil {
			answer["sub"] = "somebody"
		}
	})
	if _, word, _ := r.arrive(openid.User(r.issuer)); word != "failed" {
		t.Errorf("user info of somebody else: %q", word)
	}
	for _, host := range []string{"www.gstatic.com", "*.gstatic.com", "Captive.Apple.com", "*.com"} {
		body := map[string]any{"issuer": r.issuer, "client_id": "web", "hosts": []string{"ssl.gstatic.com", host}}
		r.want(http.StatusBadRequest, ask{who: "acme admin", method: "PUT", path: "/admin/v1/settings/oidc/other/", body: body}, nil)
	}
	for name, req := range map[string]edge.ProofRequest{
		"unknown": {Method: "oidc", Provider: "attic", ReturnURL: portalPage},
		"away":    {Method: "oidc", Provider: "away", ReturnURL: portalPage},
	} {
		r.provide("away", map[string]any{"issuer": "http://127.0.0.1:1"})
		if _, e := r.begin(http.StatusUnprocessableEntity, req); e.Code != edge.ProofNotOffered {
			t.Errorf("%s: %+v", name, e)
		}
	}
	for _, back := range []string{"", "javascript:alert(1)", "//evil.example", "http://a@b/", "ftp://192.0.2.1/"} {
		r.begin(http.StatusBadRequest, edge.ProofRequest{Method: "oidc", Provider: "work", ReturnURL: back})
	}
}
