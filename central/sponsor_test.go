package central_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatehouse/api/edge"
	"gatehouse/central"
)

var linkForm = regexp.MustCompile(`https://centre\.example/sponsor/[A-Z0-9]+`)

// newHouse is a centre that knows its own address, with sponsors.
func newHouse(t *testing.T) *post {
	p := newPost(t, func(c *central.Config) { c.PublicURL = &url.URL{Scheme: "https", Host: "centre.example"} })
	p.setting(http.StatusCreated, "PUT", "proofs", map[string]any{"sponsors": []string{"@acme.example", "porter@hotel.example"}})
	return p
}

// link is the path of the page that a sponsor was mailed.
func (p *post) link(to string) string {
	p.t.Helper()
	text := strings.ReplaceAll(p.mailed(to), "=\n", "") // quoted-printable's line ends
	link := linkForm.FindString(text)
	if link == "" {
		p.t.Fatalf("no link was mailed to %s:\n%s", to, text)
	}
	return strings.TrimPrefix(link, "https://centre.example")
}

// sponsored asks the sponsor as a browser does.
func (p *post) sponsored(method, path, decision string, header map[string]string) reply {
	p.t.Helper()
	a := ask{method: method, path: path, header: header}
	if method == "POST" {
		a.body = url.Values{"decision": {decision}}
	}
	return p.do(a)
}

func TestSponsor(t *testing.T) {
	p := newHouse(t)
	n := 0
	begin := func(sponsor, name string) edge.ProofAnswer {
		t.Helper()
		p.clock.Advance(time.Hour)
		n++
		a, _ := p.begin(http.StatusCreated, edge.ProofRequest{Method: "sponsor", Contact: sponsor, Fields: map[string]string{"name": name}})
		return a
	}
	a := begin("Boss@Acme.example", "Zoë O'Neil <script>\r\nBcc: x@evil.example http://evil.example/pay")
	mail := p.mailed("boss@acme.example")
	if strings.Contains(mail, "evil.example") || strings.Contains(mail, "<script") || strings.Count(mail, "Subject:") != 1 || strings.Contains(mail, "\nBcc:") {
		t.Errorf("a guest wrote more than his name into a mail:\n%s", mail)
	}
	link := p.link("boss@acme.example")
	wantState(t, p.check(a.Ticket, ""), edge.ProofPending)
	for range 3 { // whatever looks at mail fetches links
		page := p.sponsored("GET", link, "", map[string]string{"Accept-Language": "ar"})
		if page.status != http.StatusOK || !strings.Contains(page.text, "Zoë O&#39;Neil") || !strings.Contains(page.text, `value="approve"`) ||
			!strings.Contains(page.header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Fatalf("%d %s", page.status, page.text)
		}
		p.sponsored("HEAD", link, "", nil)
	}
	wantState(t, p.check(a.Ticket, ""), edge.ProofPending)
	if r := p.sponsored("POST", link, "approve", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}); r.status != http.StatusForbidden {
		t.Errorf("another site's form: %d", r.status)
	}
	p.sponsored("POST", link, "", nil) // no button
	peek := func() string {
		return p.check(a.Ticket, "", func(_ *ask, q *edge.ProofCheck) { q.Peek = true }).State
	}
	if got := peek(); got != edge.ProofPending {
		t.Errorf("nobody has decided: %s", got)
	}
	if r := p.sponsored("POST", link, "approve", nil); r.status != http.StatusOK || strings.Contains(r.text, "<form") {
		t.Errorf("%d %s", r.status, r.text)
	}
	for range 2 {
		if got := peek(); got != edge.ProofReady {
			t.Errorf("it was approved: %s", got)
		}
	}
	if r := p.sponsored("POST", link, "deny", nil); r.status != http.StatusNotFound {
		t.Errorf("decided twice: %d %s", r.status, r.text)
	}
	r := p.check(a.Ticket, "")
	wantState(t, r, edge.ProofGiven)
	if !strings.HasPrefix(r.Account.Username, "visitor-") || r.Account.Expiration == nil || r.Account.Expiration.Sub(p.clock.Now()) != 24*time.Hour {
		t.Errorf("account %+v", r.Account)
	}
	wantState(t, p.check(a.Ticket, ""), edge.ProofExpired)
	audit := p.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: "/admin/v1/audit/?object=proof"}, nil)
	if !strings.Contains(audit.text, "sponsor boss@acme.example") || !strings.Contains(audit.text, "ready") {
		t.Errorf("who approved is not in the audit log: %s", audit.text)
	}
	if user := p.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: fmt.Sprintf("/api/v1/user/%d/", r.Account.UserID)}, nil); !strings.Contains(user.text, "Let in by boss@acme.example") {
		t.Error(user.text)
	}

	a = begin("porter@hotel.example", "Anna")
	p.sponsored("POST", p.link("porter@hotel.example"), "deny", nil)
	wantState(t, p.check(a.Ticket, ""), edge.ProofDenied)

	a = begin("guest@hotel.example", "Anna") // a colleague of the porter's, who is no sponsor: nobody is told that he is not
	if p.mailed("guest@hotel.example") != "" || a.ExpiresIn != 1800 {
		t.Errorf("answer %+v", a)
	}
	wantState(t, p.check(a.Ticket, ""), edge.ProofPending)

	begin("late@acme.example", "Anna")
	link = p.link("late@acme.example")
	p.clock.Advance(30 * time.Minute)
	if r := p.sponsored("GET", link, "", nil); r.status != http.StatusNotFound || !strings.Contains(r.text, "This request is over") {
		t.Errorf("%d %s", r.status, r.text)
	}
	if r := p.sponsored("POST", link, "approve", nil); r.status != http.StatusNotFound {
		t.Errorf("%d %s", r.status, r.text)
	}
	if _, e := p.begin(http.StatusUnprocessableEntity, edge.ProofRequest{Method: "sponsor", Contact: "x@gmail.example", Fields: map[string]string{"name": "A"}}); e.Code != edge.ProofBadContact {
		t.Errorf("not of the house: %+v", e)
	}
	if _, e := p.begin(http.StatusUnprocessableEntity, edge.ProofRequest{Method: "sponsor", Contact: "x@acme.example", Fields: map[string]string{"name": "<>.://"}}); e.Code != edge.ProofBadField {
		t.Errorf("no name: %+v", e)
	}
	if strings.Contains(p.log.String(), strings.TrimPrefix(link, "/sponsor/")) {
		t.Error("a link is in the log")
	}
}

func TestRegistration(t *testing.T) {
	p := newPost(t)
	n := 0
	begin := func(status int, r edge.ProofRequest) (edge.ProofAnswer, string) {
		t.Helper()
		n++
		r.Method, r.CallingStationID = "register", ""
		p.clock.Advance(2 * time.Hour)
		a, e := p.begin(status, r)
		return a, e.Code
	}
	fields := map[string]string{"first_name": "Anna <b>", "last_name": "'; DROP TABLE users; --", "email": "Anna@example.net", "birthday": "1990-05-15",
		"company": "Müller & Söhne", "custom_field_3": "Stand 12"}
	a, _ := begin(http.StatusCreated, edge.ProofRequest{Contact: "Anna@example.net", Verify: "email", Password: "eight chars", Fields: fields, Locale: "fr-FR", Terms: "1"})
	var users struct{ Count int }
	list := func() int {
		p.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: "/api/v1/user/?username=anna"}, &users)
		return users.Count
	}
	if list() != 0 {
		t.Error("an account counts before its address is proven")
	}
	r := p.check(a.Ticket, p.mailedCode("anna@example.net"))
	wantState(t, r, edge.ProofGiven)
	if list() != 1 || r.Account.Username != "anna@example.net" {
		t.Errorf("account %+v", r.Account)
	}
	if !p.login("acme edge", "anna@example.net", "eight chars").Authenticated {
		t.Error("the password that was chosen is not good")
	}
	user := p.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: fmt.Sprintf("/api/v1/user/%d/", r.Account.UserID)}, nil)
	extra := p.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: fmt.Sprintf("/api/v1/user_extra/?parent=%d", r.Account.UserID)}, nil)
	for _, text := range []string{`"first_name":"Anna <b>"`, `"birthday":"1990-05-15"`, `"company":"Müller & Söhne"`, `"custom_field_3":"Stand 12"`, `"accept_terms":true`, `"locale":"fr-FR"`} {
		if !strings.Contains(user.text+extra.text, text) {
			t.Errorf("want %s in %s%s", text, user.text, extra.text)
		}
	}
	feed := fmt.Sprint(p.changes("acme edge", ""))
	if strings.Contains(feed, "Müller") || strings.Contains(feed, "1990") {
		t.Error("what a guest said of himself goes to the gateways")
	}

	// Again with the same address: whoever reads its mail may, and the one before has one account.
	b, _ := begin(http.StatusCreated, edge.ProofRequest{Contact: "anna@example.net", Verify: "email", Password: "another one", Fields: map[string]string{"email": "anna@example.net", "company": "New"}})
	if !p.login("acme edge", "anna@example.net", "eight chars").Authenticated {
		t.Error("somebody who only knows the address has changed the account")
	}
	again := p.check(b.Ticket, p.mailedCode("anna@example.net"))
	wantState(t, again, edge.ProofGiven)
	if again.Account.UserID != r.Account.UserID || !p.login("acme edge", "anna@example.net", "another one").Authenticated {
		t.Errorf("account %+v", again.Account)
	}

	// Unproven: a new account each time, and nobody's address gives somebody's account.
	free, _ := begin(http.StatusCreated, edge.ProofRequest{Fields: map[string]string{"first_name": "Eve", "email": "anna@example.net"}})
	if !free.Given {
		t.Errorf("answer %+v", free)
	}
	eve := p.check(free.Ticket, "")
	wantState(t, eve, edge.ProofGiven)
	if eve.Account.UserID == r.Account.UserID || !strings.HasPrefix(eve.Account.Username, "guest-") {
		t.Errorf("account %+v", eve.Account)
	}

	for name, r := range map[string]edge.ProofRequest{
		"unknown field":      {Fields: map[string]string{"is_active": "true"}},
		"another's":          {Fields: map[string]string{"parent": "1"}},
		"control characters": {Fields: map[string]string{"city": "a\nb"}},
		"no date":            {Fields: map[string]string{"birthday": "tomorrow"}},
		"no address":         {Fields: map[string]string{"email": "x"}},
		"too long":           {Fields: map[string]string{"city": strings.Repeat("x", 300)}},
		"short password":     {Contact: "b@example.net", Verify: "email", Password: "short"},
		"nobody's password":  {Password: "long enough"},
	} {
		if _, code := begin(http.StatusUnprocessableEntity, r); code != edge.ProofBadField {
			t.Errorf("%s: %s", name, code)
		}
	}
	if _, code := begin(http.StatusUnprocessableEntity, edge.ProofRequest{Verify: "email", Contact: "x", Fields: map[string]string{}}); code != edge.ProofBadContact {
		t.Error(code)
	}
	if strings.Contains(p.log.String(), "eight chars") {
		t.Error("a password is in the log")
	}
}
