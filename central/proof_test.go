package central_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/api/edge"
	"gatehouse/central"
)

const guestStation = "02-00-5E-10-00-01"

// post is where messages arrive: a mail server and an SMS gateway.
type post struct {
	*centre
	mail *smtpServer
	mu   sync.Mutex
	sms  []url.Values
	down bool // the SMS gateway refuses
}

func newPost(t *testing.T, change ...func(*central.Config)) *post {
	p := &post{centre: newCentre(t, append(change, withSecrets(t), withLoopback)...), mail: newSMTPServer(t, nil)}
	p.setting(http.StatusCreated, "PUT", "mail", map[string]any{"host": "127.0.0.1", "port": p.mail.Addr().(*net.TCPAddr).Port,
		"security": "none", "from": "wifi@example.net", "from_name": "Hotel"})
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		_ = r.ParseForm() // of ours
		if p.down {
			http.Error(w, "no credit", http.StatusPaymentRequired)
			return
		}
		p.sms = append(p.sms, r.PostForm)
		_, _ = io.WriteString(w, "ok")
	}))
	t.Cleanup(gateway.Close)
	p.setting(http.StatusCreated, "PUT", "sms", map[string]any{"url": gateway.URL, "body": "to={to}&text={text}&key={secret}", "secret": "k"})
	return p
}

// mailed is the body of the last mail to somebody, as it crossed the wire.
func (p *post) mailed(to string) string {
	p.mail.mu.Lock()
	defer p.mail.mu.Unlock()
	all := strings.Join(p.mail.lines, "\n")
	i := strings.LastIndex(all, "RCPT TO:<"+to+">")
	if i < 0 {
		return ""
	}
	return all[i:]
}

var sixDigits = regexp.MustCompile(`\b\d{6}\b`)

func (p *post) mailedCode(to string) string {
	p.t.Helper()
	_, text, _ := strings.Cut(strings.ReplaceAll(p.mailed(to), "\r\n", "\n"), "\n\n") // a Message-ID may have six digits too
	code := sixDigits.FindString(text)
	if code == "" {
		p.t.Fatalf("no code was mailed to %s", to)
	}
	return code
}

func (p *post) texted() (to, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.sms) == 0 {
		return "", ""
	}
	last := p.sms[len(p.sms)-1]
	return last.Get("to"), last.Get("text")
}

func (c *centre) begin(status int, r edge.ProofRequest) (a edge.ProofAnswer, e edge.Error) {
	c.t.Helper()
	if r.CallingStationID == "" {
		r.CallingStationID = guestStation
	}
	if r.Zone == "" {
		r.Zone = "guest"
	}
	to := any(&a)
	if status/100 != 2 {
		to = &e
	}
	c.want(status, ask{who: "acme edge", method: "POST", path: edge.ProofPath, body: r}, to)
	return a, e
}

func (c *centre) check(ticket, answer string, change ...func(*ask, *edge.ProofCheck)) (r edge.ProofResult) {
	c.t.Helper()
	q := edge.ProofCheck{Ticket: ticket, Answer: answer, CallingStationID: guestStation, Zone: "guest"}
	a := ask{who: "acme edge", method: "POST", path: edge.ProofCheckPath}
	for _, f := range change {
		f(&a, &q)
	}
	a.body = q
	c.want(http.StatusOK, a, &r)
	return r
}

func wantState(t *testing.T, got edge.ProofResult, state string) {
	t.Helper()
	if got.State != state || (got.Account != nil) != (state == edge.ProofGiven) {
		t.Errorf("state %+v, want %s", got, state)
	}
}

func TestCodeByMail(t *testing.T) {
	p := newPost(t)
	a, _ := p.begin(http.StatusCreated, edge.ProofRequest{Method: "email", Contact: " Anna.Berg@Example.NET ", Locale: "de-AT", Terms: "2026-11"})
	if a.ExpiresIn != 600 || a.ResendIn != 60 || a.Given {
		t.Errorf("answer %+v", a)
	}
	mail := p.mailed("anna.berg@example.net")
	if !strings.Contains(mail, "Ihr WLAN-Code") || !strings.Contains(mail, "ACME") {
		t.Errorf("mail:\n%s", mail)
	}
	code := p.mailedCode("anna.berg@example.net")
	wantState(t, p.check(a.Ticket, ""), edge.ProofPending)
	r := p.check(a.Ticket, code[:3]+" "+code[3:])
	wantState(t, r, edge.ProofGiven)
	if r.Account.Username != "anna.berg@example.net" || !r.Account.Active {
		t.Errorf("account %+v", r.Account)
	}
	wantState(t, p.check(a.Ticket, code), edge.ProofExpired) // once
	var extra struct {
		Results []struct {
			AcceptTerms *bool `json:"accept_terms"`
		}
	}
	p.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: fmt.Sprintf("/api/v1/user_extra/?parent=%d", r.Account.UserID)}, &extra)
	if len(extra.Results) != 1 || extra.Results[0].AcceptTerms == nil || !*extra.Results[0].AcceptTerms {
		t.Errorf("consent: %+v", extra)
	}

	p.clock.Advance(2 * time.Hour) // the same person again: the same account, and the gateway hears of its changes
	b, _ := p.begin(http.StatusCreated, edge.ProofRequest{Method: "email", Contact: "anna.berg@example.net"})
	again := p.check(b.Ticket, p.mailedCode("anna.berg@example.net"))
	wantState(t, again, edge.ProofGiven)
	if again.Account.UserID != r.Account.UserID {
		t.Errorf("another account: %+v, %+v", again.Account, r.Account)
	}
	if !strings.Contains(fmt.Sprint(p.changes("acme edge", "")), "Account") {
		t.Log("the feed begins anew and tells accounts seen")
	}
	for _, secret := range []string{code, a.Ticket} {
		if strings.Contains(p.log.String(), secret) {
			t.Error("a secret is in the log")
		}
	}
}

// TestCodeIsHard: what does not let a stranger in.
func TestCodeIsHard(t *testing.T) {
	p := newPost(t)
	contact := 0
	begin := func() (edge.ProofAnswer, string) {
		contact++
		p.clock.Advance(12 * time.Hour)
		to := fmt.Sprintf("g%d@example.net", contact)
		a, _ := p.begin(http.StatusCreated, edge.ProofRequest{Method: "email", Contact: to})
		return a, p.mailedCode(to)
	}
	other := func(code string) string { return string('0'+(code[0]-'0'+1)%10) + code[1:] }

	a, code := begin()
	for left := range 5 {
		if r := p.check(a.Ticket, other(code)); r.State != edge.ProofWrong || r.Tries != 4-left {
			t.Errorf("guess %d: %+v", left, r)
		}
	}
	wantState(t, p.check(a.Ticket, code), edge.ProofExpired) // five are all

	a, code = begin()
	p.clock.Advance(10 * time.Minute)
	wantState(t, p.check(a.Ticket, code), edge.ProofExpired)

	a, code = begin()
	for name, change := range map[string]func(*ask, *edge.ProofCheck){
		"another station": func(_ *ask, q *edge.ProofCheck) { q.CallingStationID = "02-00-5E-10-00-02" },
		"another zone":    func(_ *ask, q *edge.ProofCheck) { q.Zone = "staff" },
		"another gateway": func(a *ask, _ *edge.ProofCheck) { a.header = map[string]string{edge.NASHeader: "gw2"} },
		"another house":   func(a *ask, _ *edge.ProofCheck) { a.who = "globex edge" },
		"a child":         func(a *ask, _ *edge.ProofCheck) { a.who = "acme-west edge" },
		"no ticket":       func(_ *ask, q *edge.ProofCheck) { q.Ticket = "ghp_x" },
	} {
		if r := p.check(a.Ticket, code, change); r.State != edge.ProofExpired {
			t.Errorf("%s: %+v", name, r)
		}
	}
	wantState(t, p.check(a.Ticket, code), edge.ProofGiven) // and all that cost no try

	a, code = begin() // twenty at once: one is let in
	states := make([]string, 20)
	var wg sync.WaitGroup
	for i := range states {
		wg.Go(func() { states[i] = p.check(a.Ticket, code).State })
	}
	wg.Wait()
	if n := strings.Count(fmt.Sprint(states), edge.ProofGiven); n != 1 {
		t.Errorf("%d were let in by one proof: %v", n, states)
	}
}

func TestProofsAreCounted(t *testing.T) {
	p := newPost(t)
	begin := func(status int, contact, station string) int {
		t.Helper()
		_, e := p.begin(status, edge.ProofRequest{Method: "email", Contact: contact, CallingStationID: station})
		return e.RetryAfter
	}
	station := func(n int) string { return fmt.Sprintf("02-00-5E-10-01-%02X", n) }
	begin(http.StatusCreated, "a@example.net", station(0))
	if wait := begin(http.StatusTooManyRequests, "a@example.net", station(1)); wait != 60 {
		t.Errorf("the same contact again: after %d s", wait)
	}
	if wait := begin(http.StatusTooManyRequests, "b@example.net", station(0)); wait != 60 {
		t.Errorf("the same station again: after %d s", wait)
	}
	for n := range 4 { // with ever new MAC addresses to one contact
		p.clock.Advance(time.Minute)
		begin(http.StatusCreated, "a@example.net", station(10+n))
	}
	p.clock.Advance(time.Minute)
	if wait := begin(http.StatusTooManyRequests, "a@example.net", station(20)); wait != 55*60 {
		t.Errorf("the contact's hour: after %d s", wait)
	}
	for n := range 4 { // from one station to ever new contacts
		p.clock.Advance(time.Minute)
		begin(http.StatusCreated, fmt.Sprintf("c%d@example.net", n), station(0))
	}
	p.clock.Advance(time.Minute)
	begin(http.StatusTooManyRequests, "d@example.net", station(0))

	p.setting(http.StatusCreated, "PUT", "proofs", map[string]any{"mails_per_day": 10})
	begin(http.StatusCreated, "e@example.net", station(30))
	if wait := begin(http.StatusTooManyRequests, "f@example.net", station(31)); wait < 23*3600 {
		t.Errorf("the organisation's day: after %d s", wait)
	}
	if strings.Contains(p.mailed("f@example.net"), "f@") {
		t.Error("a mail went out all the same")
	}
}

func TestContacts(t *testing.T) {
	p := newPost(t)
	n := 0
	next := func() string { n++; return fmt.Sprintf("02-00-5E-20-%02X-%02X", n>>8, n&255) }
	for _, bad := range []string{"", "x", "a@b", "a@b.", "@b.net", "a@-b.net", "a b@c.net", "a@c.net\r\nBcc: d@e.net", "a@c.net, d@e.net", "\"a\"@b.net",
		"a@[192.0.2.1]", "<a@b.net>", "a@b.net\x00", "a..b@c.net", ".a@c.net", "a/b@c.net", strings.Repeat("a", 140) + "@example.net", "ａ@b.net", "a@xn--.net%0d"} {
		if bad == "a@b.net\x00" {
			p.begin(http.StatusBadRequest, edge.ProofRequest{Method: "email", Contact: bad, CallingStationID: next()})
			continue
		}
		if _, e := p.begin(http.StatusUnprocessableEntity, edge.ProofRequest{Method: "email", Contact: bad, CallingStationID: next()}); e.Code != edge.ProofBadContact {
			t.Errorf("%q: %+v", bad, e)
		}
	}
	for typed, want := range map[string]string{
		"+49 170 123-4567": "+491701234567", "0170/1234567": "+491701234567", "0049 (0)170 1234567": "+491701234567", "170 1234567": "+491701234567",
		"+43 660 1234567": "+436601234567", "٠١٧٠١٢٣٤٥٦٨": "+491701234568",
		"": "", "0": "", "+": "", "1701234567;+449": "", "call me": "", "+1 900 5551234": "", "+882 16 1234567": "", "+49 170 12345678901234": "", "\u202e0170": "",
	} {
		r := edge.ProofRequest{Method: "sms", Contact: typed, CountryCode: "49", Prefixes: []string{"49", "+43"}, CallingStationID: next()}
		if want == "" {
			if _, e := p.begin(http.StatusUnprocessableEntity, r); e.Code != edge.ProofBadContact {
				t.Errorf("%q: %+v", typed, e)
			}
			continue
		}
		p.begin(http.StatusCreated, r)
		if to, _ := p.texted(); to != want {
			t.Errorf("%q was sent to %s, want %s", typed, to, want)
		}
		p.clock.Advance(time.Hour)
	}
	// Without prefixes only the zone's own country; the organisation bounds the zones.
	p.begin(http.StatusUnprocessableEntity, edge.ProofRequest{Method: "sms", Contact: "+43 660 7654321", CountryCode: "49", CallingStationID: next()})
	p.begin(http.StatusUnprocessableEntity, edge.ProofRequest{Method: "sms", Contact: "+43 660 7654321", CallingStationID: next()})
	p.setting(http.StatusCreated, "PUT", "proofs", map[string]any{"prefixes": []string{"49"}})
	p.begin(http.StatusUnprocessableEntity, edge.ProofRequest{Method: "sms", Contact: "+43 660 7654321", Prefixes: []string{"43"}, CallingStationID: next()})
}

func TestCodeByText(t *testing.T) {
	p := newPost(t)
	p.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: "/api/v1/me/organization/"}, nil)
	a, _ := p.begin(http.StatusCreated, edge.ProofRequest{Method: "sms", Contact: "0170 1234567", CountryCode: "49", Locale: "ar"})
	to, text := p.texted()
	code := sixDigits.FindString(text)
	if to != "+491701234567" || code == "" || !strings.Contains(text, "الواي") || len([]rune(text)) > 70 {
		t.Errorf("sent to %s: %s", to, text)
	}
	arabic := strings.Map(func(r rune) rune { return r - '0' + '٠' }, code)
	r := p.check(a.Ticket, arabic)
	wantState(t, r, edge.ProofGiven)
	if r.Account.Username != "+491701234567" {
		t.Errorf("account %+v", r.Account)
	}
	p.down = true
	if _, e := p.begin(http.StatusUnprocessableEntity, edge.ProofRequest{Method: "sms", Contact: "0170 7654321", CountryCode: "49", CallingStationID: "02-00-5E-10-00-09"}); e.Code != edge.ProofNotSent {
		t.Errorf("not sent: %+v", e)
	}
	if strings.Contains(p.log.String(), "7654321") {
		t.Error("a number is in the log")
	}
	p.setting(http.StatusNoContent, "DELETE", "sms", nil)
	if _, e := p.begin(http.StatusUnprocessableEntity, edge.ProofRequest{Method: "sms", Contact: "0170 7654322", CountryCode: "49", CallingStationID: "02-00-5E-10-00-08"}); e.Code != edge.ProofNotOffered {
		t.Errorf("without settings: %+v", e)
	}
	p.begin(http.StatusUnprocessableEntity, edge.ProofRequest{Method: "carrier pigeon", Contact: "x"})
	p.begin(http.StatusBadRequest, edge.ProofRequest{Method: "email", Contact: "a@b.net", CallingStationID: "02:00:5e:10:00:01"})
}
