package web

import (
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"gatehouse/sessions"
)

// firstStep is a way in whose form begins a proof.
type firstStep struct{}

func (firstStep) action() string { return "/proof" }

// Contact is the way in by a code that is sent: MethodEmail or MethodSMS.
type Contact struct {
	firstStep
	By    sessions.Method
	Value string // as typed before
}

// Method is By.
func (w Contact) Method() sessions.Method { return w.By }

func (w Contact) title(p Page) string {
	if w.By == sessions.MethodSMS {
		return words(p, proofWords).SMSTitle
	}
	return words(p, proofWords).EmailTitle
}

func (w Contact) fields(l Login) templ.Component { return l.contact(w) }

// field asks for the address or number.
func (w Contact) field(l Login) field {
	t := words(l.Page, proofWords)
	f := field{Name: "contact-" + string(w.By), Value: w.Value, Wrong: l.wrong(w.By), Label: t.Labels["email"], Type: "email", Max: 150,
		More: plainText("email")}
	if w.By == sessions.MethodSMS {
		f.Label, f.Type, f.Max, f.More = t.Labels["telephone"], "tel", 30, templ.Attributes{"autocomplete": "tel", "dir": "ltr"}
	}
	return f
}

// Register leads to the form of a registration.
type Register struct{}

// Method is sessions.MethodRegister.
func (Register) Method() sessions.Method { return sessions.MethodRegister }

func (Register) action() string { return "/register" }

func (Register) title(p Page) string { return words(p, proofWords).RegisterTitle }

func (w Register) fields(l Login) templ.Component { return l.register() }

// Sponsor is the way in by the word of somebody of the house.
type Sponsor struct {
	firstStep
	Name, Address string // as typed before
}

// Method is sessions.MethodSponsor.
func (Sponsor) Method() sessions.Method { return sessions.MethodSponsor }

func (Sponsor) title(p Page) string { return words(p, proofWords).SponsorTitle }

func (Sponsor) problem(p Page, r sessions.Reason) string { return words(p, proofWords).Problems[r] }

func (w Sponsor) fields(l Login) templ.Component { return l.sponsor(w) }

// RegisterForm is the page that asks a guest for what an account wants.
type RegisterForm struct {
	Page
	Fields       []sessions.RegistrationField
	Values       map[string]string // as typed before
	Password     bool
	Verify       sessions.Method // how what he says is proven; empty: not
	TermsVersion string          // that the button accepts; empty: none
	Token, URL   string
	Problem      Problem
}

// label is how a field is called: by the operator in the guest's language, by the operator, by us.
func (r RegisterForm) label(f sessions.RegistrationField) string {
	for _, text := range []string{f.Labels[string(r.Locale)], f.Label, words(r.Page, proofWords).Labels[f.Name]} {
		if text != "" {
			return text
		}
	}
	return f.Name
}

// autocomplete are the names that HTML has for what browsers remember.
var autocomplete = map[string]string{"first_name": "given-name", "last_name": "family-name", "email": "email", "telephone": "tel",
	"company": "organization", "birthday": "bday", "address": "street-address", "postal_code": "postal-code", "city": "address-level2",
	"country": "country-name", "state": "address-level1", "title": "honorific-prefix"}

func (r RegisterForm) field(f sessions.RegistrationField) field {
	t := words(r.Page, proofWords)
	out := field{Name: f.Name, Label: r.label(f), Type: f.Type, Value: r.Values[f.Name], Max: 255, Optional: !f.Required,
		Wrong: r.Problem.Reason == sessions.RefusedContact && f.Name == r.contact(), More: templ.Attributes{"dir": "auto"}}
	if !f.Required {
		out.Label += " " + t.Optional
	}
	if name, ok := autocomplete[f.Name]; ok {
		out.More["autocomplete"] = name
	}
	if f.Type == "email" || f.Type == "tel" {
		out.More["dir"] = "ltr"
	}
	return out
}

// contact is the field that is proven.
func (r RegisterForm) contact() string {
	switch r.Verify {
	case sessions.MethodEmail:
		return "email"
	case sessions.MethodSMS:
		return "telephone"
	}
	return ""
}

func (r RegisterForm) note() string {
	t := words(r.Page, proofWords)
	switch r.Verify {
	case sessions.MethodEmail:
		return t.RegisterEmail
	case sessions.MethodSMS:
		return t.RegisterSMS
	}
	return ""
}

// ProofPage waits for the code that was sent, or for a sponsor.
type ProofPage struct {
	Page
	Method     sessions.Method
	Channel    sessions.Method // by which the code came: MethodEmail or MethodSMS; empty: none did
	To         string          // where the message went, as far as it is shown
	Ready      bool            // the sponsor has said yes
	ResendIn   time.Duration   // until another message may be sent; zero: now
	Reach      time.Duration   // for which the device can fetch its mail
	Token, URL string
	Problem    Problem
}

// Waits tells that the page looks again by itself.
func (p ProofPage) Waits() bool { return p.Channel == "" && !p.Ready }

// LooksAgain is how often, in seconds.
const LooksAgain = 10

func (p ProofPage) title() string {
	t := words(p.Page, proofWords)
	switch {
	case p.Ready:
		return t.SponsorYes
	case p.Channel == "":
		return t.Waiting
	}
	return t.EnterCode
}

func (p ProofPage) sent() string {
	t := words(p.Page, proofWords)
	text := t.SentMail
	switch {
	case p.Ready:
		text = t.SponsorYesText
	case p.Channel == "":
		text = t.SentSponsor
	case p.Channel == sessions.MethodSMS:
		text = t.SentSMS
	}
	return strings.ReplaceAll(text, "{to}", "\u2068"+p.To+"\u2069") // isolated: it is left to right in every language
}

func (p ProofPage) reach() string {
	return strings.ReplaceAll(words(p.Page, proofWords).Reach, "{time}", p.texts().duration(p.Reach))
}

func (p ProofPage) resend() string {
	return strings.ReplaceAll(words(p.Page, proofWords).ResendIn, "{wait}", p.texts().wait(p.ResendIn))
}

func (p ProofPage) codeWrong() bool { return p.Problem.Reason == sessions.RefusedAnswer }

// Masked is an address or number as it may be shown to whoever holds the device: enough to see a slip of the finger.
func Masked(contact string) string {
	if local, domain, ok := strings.Cut(contact, "@"); ok {
		r := []rune(local)
		return string(r[:min(2, len(r))]) + "…@" + domain
	}
	var shown []rune
	r := []rune(contact)
	for i, c := range r {
		if i < 3 || i >= len(r)-2 {
			shown = append(shown, c)
		} else if i == 3 {
			shown = append(shown, '…')
		}
	}
	return string(slices.Clip(shown))
}

// proofSamples are the forms and pages in their states.
func proofSamples(p Page, with func(func(*Login)) templ.Component) []Sample {
	register := RegisterForm{Page: p, Token: "sample", Verify: sessions.MethodEmail, Password: true, TermsVersion: "2026-11",
		Fields: []sessions.RegistrationField{{Name: "first_name", Type: "text", Required: true}, {Name: "email", Type: "email", Required: true},
			{Name: "birthday", Type: "date"}, {Name: "custom_field_1", Type: "checkbox", Label: "Newsletter"}}}
	wrong := register
	wrong.Values, wrong.Problem = map[string]string{"first_name": "Anna", "email": "anna@"}, Problem{Reason: sessions.RefusedContact}
	code := ProofPage{Page: p, Method: sessions.MethodEmail, Channel: sessions.MethodEmail, To: "an…@example.net", Token: "sample",
		Reach: 5 * time.Minute, ResendIn: 40 * time.Second}
	again := code
	again.Problem, again.ResendIn, again.Reach, again.Channel, again.To = Problem{Reason: sessions.RefusedAnswer}, 0, 0, sessions.MethodSMS, "+49…67"
	wait := ProofPage{Page: p, Method: sessions.MethodSponsor, To: "bo…@example.net", Token: "sample"}
	ready := wait
	ready.Ready = true
	return []Sample{
		{"login-email", with(func(l *Login) { l.Ways = []Way{Contact{By: sessions.MethodEmail}} })},
		{"login-sms", with(func(l *Login) {
			l.Ways, l.Problem = []Way{Contact{By: sessions.MethodSMS, Value: "017"}}, Problem{Method: sessions.MethodSMS, Reason: sessions.RefusedContact}
		})},
		{"login-proofs", with(func(l *Login) {
			l.Ways = []Way{Contact{By: sessions.MethodEmail}, Contact{By: sessions.MethodSMS}, Register{}, Sponsor{}}
		})},
		{"register", register.View()}, {"register-wrong", wrong.View()},
		{"proof-mail", code.View()}, {"proof-sms", again.View()}, {"proof-wait", wait.View()}, {"proof-ready", ready.View()},
	}
}
