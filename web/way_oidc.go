package web

import (
	"strings"

	"github.com/a-h/templ"

	"gatehouse/sessions"
)

// OIDC is the way in by an account at a provider, with a button for each.
type OIDC struct{ Providers []sessions.Provider }

// Method is sessions.MethodOIDC.
func (OIDC) Method() sessions.Method { return sessions.MethodOIDC }

func (OIDC) action() string { return "/oidc" }

func (OIDC) title(p Page) string { return words(p, oidcWords).Title }

func (w OIDC) fields(l Login) templ.Component { return l.oidc(w) }

func (OIDC) problem(p Page, r sessions.Reason) string { return words(p, oidcWords).Problems[r] }

// SignIn takes a guest on to a provider. No form may lead there: browsers hold redirects of a form to the page's own rules.
type SignIn struct {
	Page
	Provider sessions.Provider
	To       string // at the provider
}

// SignInElsewhere asks a guest who is in a sign-in sheet to go on in his browser: providers refuse such windows, and what is typed
// there is lost when they close.
type SignInElsewhere struct {
	Page
	Provider sessions.Provider
	Apple    bool
	Address  string // of the login page
	Token    string
	URL      string // where the guest wanted to go
}

// SignInOver is for who comes back from a provider too late, or twice.
type SignInOver struct{ Page }

func (t *oidcTexts) with(text string, p sessions.Provider) string {
	return strings.ReplaceAll(text, "{provider}", p.Title)
}

// steps lead out of the sheet and stay in the Wi-Fi.
func (s SignInElsewhere) steps() [3]string {
	t := words(s.Page, oidcWords)
	if s.Apple {
		return [3]string{t.LeaveApple, t.OpenBrowser, t.with(t.Choose, s.Provider)}
	}
	return [3]string{t.LeaveAndroid, t.OpenBrowser, t.with(t.Choose, s.Provider)}
}

// StaticPolicy is the Content-Security-Policy of a page without forms.
func StaticPolicy() string {
	return "default-src 'none'; style-src " + styleHash + "; img-src data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
}

func sampleProviders() []sessions.Provider {
	return []sessions.Provider{{Name: "google", Title: "Google"}, {Name: "work", Title: "Seeblick & Söhne"}}
}

// oidcSamples are the states of the form, and the pages on the way.
func oidcSamples(p Page, with func(func(*Login)) templ.Component) []Sample {
	all := sampleProviders()
	address := "http://192.0.2.1:2080/"
	samples := []Sample{
		{"login-oidc", with(func(l *Login) { l.Ways = []Way{OIDC{all}, l.Ways[1]} })},
		{"sign-in", SignIn{Page: p, Provider: all[0], To: "https://accounts.example/auth?state=sample"}.View()},
		{"sign-in-browser", SignInElsewhere{Page: p, Provider: all[0], Address: address, Token: "sample"}.View()},
		{"sign-in-browser-apple", SignInElsewhere{Page: p, Provider: all[1], Apple: true, Address: address, Token: "sample"}.View()},
		{"sign-in-over", SignInOver{p}.View()},
	}
	for _, r := range []sessions.Reason{sessions.RefusedDenied, sessions.RefusedAnswer, sessions.RefusedElsewhere, sessions.RefusedProofOver, sessions.RefusedMethod} {
		samples = append(samples, Sample{"login-oidc-" + string(r), with(func(l *Login) {
			l.Ways, l.Problem = []Way{OIDC{all[:1]}, l.Ways[1]}, Problem{Method: sessions.MethodOIDC, Reason: r}
		})})
	}
	return samples
}
