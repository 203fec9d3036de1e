package portal

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/sessions"
)

// prover is a bench whose zone offers the ways in that the centre proves.
type prover struct {
	*bench
	asked  []sessions.ProofRequest
	begun  error
	logins []sessions.LoginRequest
	login  error
	given  bool
}

func newProver(t *testing.T) *prover {
	b := &prover{bench: start(t, nil)}
	z := &b.manager.zone
	z.Methods = []sessions.Method{sessions.MethodEmail, sessions.MethodSMS, sessions.MethodRegister, sessions.MethodSponsor}
	z.Proofs.Register = sessions.Registration{Verify: sessions.MethodEmail, Password: true, Fields: []sessions.RegistrationField{
		{Name: "first_name", Type: "text", Required: true}, {Name: "email", Type: "email", Required: true}, {Name: "birthday", Type: "date"},
		{Name: "custom_field_1", Type: "checkbox", Label: "News"}}}
	b.manager.begin = func(req sessions.ProofRequest) (sessions.Proof, error) {
		b.asked = append(b.asked, req)
		return sessions.Proof{Ticket: "ghp_secret", ExpiresIn: 10 * time.Minute, ResendIn: time.Minute, Reach: 5 * time.Minute, Given: b.given}, b.begun
	}
	b.manager.login = func(_ context.Context, req sessions.LoginRequest) (sessions.Session, error) {
		b.logins = append(b.logins, req)
		return sessions.Session{}, b.login
	}
	return b
}

func (b *prover) form(pairs ...string) url.Values {
	return values(append(pairs, "token", b.portal.tokens.issue(phone, b.clock.Mono()))...)
}

func (b *prover) wantTo(a answered, path string) {
	b.Helper()
	if a.status != http.StatusSeeOther || a.header.Get("Location") != path {
		b.Errorf("answered %d, to %q, want %q\n%s", a.status, a.header.Get("Location"), path, a.body)
	}
}

func (b *prover) wantPage(a answered, texts ...string) {
	b.Helper()
	for _, text := range texts {
		if a.status != http.StatusOK || !strings.Contains(a.body, text) {
			b.Errorf("%d, want %q in\n%s", a.status, text, a.body)
		}
	}
}

func TestCodeJourney(t *testing.T) {
	b := newProver(t)
	form := b.form("method", "email", "contact-email", " anna@example.net ", "contact-sms", "")
	b.wantTo(b.post("/proof", "", form), "/proof")
	want := []sessions.ProofRequest{{Station: phone, Method: sessions.MethodEmail, Contact: "anna@example.net", Locale: "en"}}
	if diff := cmp.Diff(want, b.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	page := b.get("/proof")
	b.wantPage(page, "an…@example.net", `autocomplete="one-time-code"`, `inputmode="numeric"`, "5\u00a0min", "new code can be sent in 1\u00a0min")
	if strings.Contains(page.body, "ghp_secret") || page.header.Get("Refresh") != "" {
		t.Errorf("the page shows its ticket, or looks again:\n%s", page.body)
	}
	b.wantTo(b.get("/"), "/proof") // the sheet was closed, and is back

	b.wantPage(b.post("/proof/code", "", b.form("code", " ")), "code is not right", `aria-invalid="true"`)
	if len(b.logins) != 0 {
		t.Error("an empty code was asked about")
	}
	b.login = &sessions.Refusal{Reason: sessions.RefusedAnswer}
	b.wantPage(b.post("/proof/code", "", b.form("code", "111111")), "code is not right")
	b.wantPage(b.post("/proof/again", "", b.form()), "Too many attempts")
	b.clock.Advance(time.Minute)
	b.wantPage(b.get("/proof"), "Send a new code")
	b.wantTo(b.post("/proof/again", "", b.form()), "/proof")
	if len(b.asked) != 2 || b.asked[1].Contact != "anna@example.net" {
		t.Errorf("asked again: %+v", b.asked)
	}
	b.login = &sessions.Refusal{Reason: sessions.RefusedCentreAway}
	b.wantPage(b.post("/proof/code", "", b.form("code", "123456")), "not available right now")
	b.login = nil
	b.wantTo(b.post("/proof/code", "", b.form("code", "123 456", "u", "http://www.example.com/")), "/status?u=http%3A%2F%2Fwww.example.com%2F")
	last := b.logins[len(b.logins)-1]
	if last.Method != sessions.MethodEmail || last.Proof != "ghp_secret" || last.Code != "123 456" || last.Station != phone {
		t.Errorf("login %+v", last)
	}
	b.wantTo(b.get("/proof"), "/") // it is over
	b.manager.set(&sessions.Session{Station: phone})
	b.wantTo(b.post("/proof/code", "", b.form("code", "123456")), "/status") // sent twice
	for _, secret := range []string{"ghp_secret", "123456", "anna@example.net"} {
		if strings.Contains(b.log.String(), secret) {
			t.Errorf("%s is in the log", secret)
		}
	}
}

func TestProofEnds(t *testing.T) {
	b := newProver(t)
	begin := func() {
		t.Helper()
		b.wantTo(b.post("/proof", "", b.form("method", "sms", "contact-sms", "0170 1234567")), "/proof")
	}
	begin()
	b.clock.Advance(10 * time.Minute)
	b.wantTo(b.get("/proof"), "/")
	b.wantPage(b.post("/proof/code", "", b.form("code", "123456")), "no longer valid", `name="contact-sms"`)
	begin()
	b.login = &sessions.Refusal{Reason: sessions.RefusedProofOver}
	b.wantPage(b.post("/proof/code", "", b.form("code", "123456")), "no longer valid", `name="contact-sms"`)
	begin()
	b.wantTo(b.post("/proof/cancel", "", b.form()), "/")
	b.wantPage(b.get("/"), `name="contact-sms"`)
	begin()
	if a := b.post("/proof/cancel", "Origin: http://evil.example\r\n", b.form()); a.status != http.StatusForbidden {
		t.Errorf("a stranger's form: %d", a.status)
	}
	b.wantPage(b.post("/proof/code", "", values("code", "123456", "token", "x")), "") // no form of ours
	b.wantPage(b.get("/proof"), "01")

	b.begun = &sessions.Refusal{Reason: sessions.RefusedContact}
	b.wantPage(b.post("/proof", "", b.form("method", "email", "contact-email", "anna@")), "cannot be sent to", `value="anna@"`, `aria-invalid="true"`)
	b.begun = &sessions.Refusal{Reason: sessions.RefusedTooOften, RetryAfter: 40 * time.Second}
	b.wantPage(b.post("/proof", "", b.form("method", "email", "contact-email", "anna@example.net")), "40\u00a0s")
	b.begun = errors.New("a fault")
	if a := b.post("/proof", "", b.form("method", "email", "contact-email", "anna@example.net")); a.status != http.StatusInternalServerError {
		t.Errorf("a fault: %d", a.status)
	}
	n := len(b.asked)
	for _, bad := range []url.Values{b.form("method", "email"), b.form("method", "email", "contact-email", "a\r\nBcc: b@example.net"),
		b.form("method", "email", "contact-email", strings.Repeat("x", 300)), b.form("method", "oidc", "contact-oidc", "x"), b.form("method", "click"),
		b.form("method", "sponsor", "contact-sponsor", "b@example.net"), b.form("method", "sponsor", "contact-sponsor", "b@example.net", "guest-name", "a\nb")} {
		b.wantPage(b.post("/proof", "", bad), "problem")
	}
	if len(b.asked) != n {
		t.Errorf("the centre was asked for nonsense: %+v", b.asked[n:])
	}
}

func TestSponsorJourney(t *testing.T) {
	b := newProver(t)
	ready, looks := error(nil), 0
	yes := false
	b.manager.ready = func(sessions.Password) (bool, error) { looks++; return yes, ready }
	b.wantTo(b.post("/proof", "", b.form("method", "sponsor", "contact-sponsor", "boss@example.net", "guest-name", "Anna <b>")), "/proof")
	if b.asked[0].Fields["name"] != "Anna <b>" {
		t.Errorf("asked %+v", b.asked[0])
	}
	page := b.get("/proof?lang=de")
	b.wantPage(page, "bo…@example.net", "Warten auf Ihren Gastgeber")
	if page.header.Get("Refresh") != "10; url=/proof?lang=de" {
		t.Errorf("Refresh: %q", page.header.Get("Refresh"))
	}
	b.get("/proof")
	if looks != 1 {
		t.Errorf("the centre was asked %d times at once", looks)
	}
	b.login = sessions.ErrProofPending
	b.wantTo(b.post("/proof/code", "", b.form()), "/proof")
	b.clock.Advance(6 * time.Second)
	yes = true
	page = b.get("/proof")
	b.wantPage(page, "has agreed", "Go online")
	if page.header.Get("Refresh") != "" {
		t.Error("it looks again, and there is nothing more to come")
	}
	b.login = nil
	b.wantTo(b.post("/proof/code", "", b.form()), "/status")

	b.wantTo(b.post("/proof", "", b.form("method", "sponsor", "contact-sponsor", "boss@example.net", "guest-name", "Anna")), "/proof")
	yes, ready = false, &sessions.Refusal{Reason: sessions.RefusedDenied}
	b.wantPage(b.get("/proof"), "turned down", `name="contact-sponsor"`)
	b.wantTo(b.get("/proof"), "/")
}

func TestRegistration(t *testing.T) {
	b := newProver(t)
	page := b.post("/register", "", b.form("method", "register"))
	b.wantPage(page, "Create an account", `name="first_name"`, `autocomplete="given-name"`, `type="date"`, `type="checkbox"`, "News", `autocomplete="new-password"`, "(optional)")
	good := []string{"filled", "1", "first_name", "Anna <i>", "email", "anna@example.net", "birthday", "1990-05-15", "custom_field_1", "yes", "password", "long enough"}
	with := func(name, value string) url.Values {
		f := b.form(good...)
		f.Set(name, value)
		return f
	}
	for name, value := range map[string]string{"first_name": "", "birthday": "yesterday", "password": "short", "email": " "} {
		a := b.post("/register", "", with(name, value))
		b.wantPage(a, map[bool]string{true: "needs eight characters or more", false: "fill in the form completely"}[name == "password"])
		if strings.Contains(a.body, "long enough") || name != "first_name" && !strings.Contains(a.body, "Anna &lt;i&gt;") {
			t.Errorf("%s: what was typed is not there, or the password is:\n%s", name, a.body)
		}
	}
	b.wantTo(b.post("/register", "", b.form(good...)), "/proof")
	want := sessions.ProofRequest{Station: phone, Method: sessions.MethodRegister, Contact: "anna@example.net", Verify: sessions.MethodEmail, Locale: "en",
		Fields: map[string]string{"first_name": "Anna <i>", "email": "anna@example.net", "birthday": "1990-05-15", "custom_field_1": "yes"}, Password: "long enough"}
	if diff := cmp.Diff([]sessions.ProofRequest{want}, b.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	b.wantPage(b.get("/proof"), "an…@example.net", "one-time-code")

	b.post("/proof/cancel", "", b.form())
	b.begun = &sessions.Refusal{Reason: sessions.RefusedCentreAway}
	b.wantPage(b.post("/register", "", b.form(good...)), "Another way in", "not available right now", "Anna &lt;i&gt;")
	b.begun, b.given = nil, true // without a code the account counts at once
	b.wantTo(b.post("/register", "", b.form(good...)), "/status")
	if last := b.logins[len(b.logins)-1]; last.Method != sessions.MethodRegister || last.Proof != "ghp_secret" || last.Code != "" {
		t.Errorf("login %+v", last)
	}

	b.manager.zone.AllowCleartext = false // a password is not asked for where others can read it
	b.wantTo(b.get("/register"), "/")
	if strings.Contains(b.get("/").body, `action="/register"`) {
		t.Error("a registration with a password is offered over clear HTTP")
	}
}

func TestProofsWantTerms(t *testing.T) {
	b := newProver(t)
	b.manager.zone.TermsForAll = true
	b.wantPage(b.post("/proof", "", b.form("method", "email", "contact-email", "anna@example.net")), "problem")
	if len(b.asked) != 0 {
		t.Error("a code was sent without terms")
	}
	b.wantTo(b.post("/proof", "", b.form("method", "email", "contact-email", "anna@example.net", "accept", "2026-11")), "/proof")
	b.post("/proof/code", "", b.form("code", "123456"))
	if b.asked[0].Terms != "2026-11" || len(b.logins) != 1 || b.logins[0].AcceptedTerms != "2026-11" {
		t.Errorf("asked %+v, login %+v", b.asked, b.logins)
	}
}

func TestProofsAreBounded(t *testing.T) {
	var p proofs
	for i := range maxProofs + 100 {
		p.put(sessions.Station{Zone: "guest", MAC: sessions.MAC{2, 0, 0, 0, byte(i >> 8), byte(i)}}, proof{ends: time.Duration(i + 1)})
	}
	if len(p.by) != maxProofs {
		t.Errorf("%d proofs are kept", len(p.by))
	}
	if _, ok := p.of(sessions.Station{Zone: "guest", MAC: sessions.MAC{2, 0, 0, 0, 0, 5}}, 0); ok {
		t.Error("the one that ends first was kept")
	}
}

// A guest who has ticked the box before the form of a registration is remembered.
func TestRegistrationRemembers(t *testing.T) {
	b := newProver(t)
	b.manager.zone.Remember = 24 * time.Hour
	filled := []string{"method", "register", "filled", "1", "first_name", "Anna", "email", "anna@example.net", "password", "long enough"}
	for i, box := range [][]string{{"remember", "1"}, {}} {
		b.post("/register", "", b.form(append(box, "method", "register")...))
		b.post("/register", "", b.form(filled...))
		b.post("/proof/code", "", b.form("code", "123456"))
		if len(b.logins) != i+1 || b.logins[i].Remember != (len(box) > 0) {
			t.Fatalf("%v: logins %+v", box, b.logins)
		}
	}
}

// What a guest has accepted before he was sent a code goes with the code, however many others come meanwhile.
func TestProofKeepsTerms(t *testing.T) {
	b := newProver(t)
	b.manager.zone.TermsForAll = true
	b.wantTo(b.post("/proof", "", b.form("method", "email", "contact-email", "anna@example.net", "accept", "2026-11")), "/proof")
	for i := range maxAccepted {
		b.portal.accepted.note(sessions.Station{Zone: "guest", MAC: sessions.MAC{2, 0, 0, 1, byte(i >> 8), byte(i)}}, acceptance{at: b.clock.Mono()})
	}
	b.portal.accepted.by[phone] = acceptance{} // pushed out
	b.clock.Advance(time.Minute)
	b.wantTo(b.post("/proof/again", "", b.form()), "/proof")
	b.post("/proof/code", "", b.form("code", "123456"))
	if len(b.logins) != 1 || b.logins[0].AcceptedTerms != "2026-11" || b.logins[0].Terms.Text == "" {
		t.Errorf("logins %+v", b.logins)
	}
}
