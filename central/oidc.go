package central

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"gatehouse/api/admin"
	"gatehouse/api/edge"
	"gatehouse/central/store"
	"gatehouse/web"
)

// callbackPath is where providers send browsers back to.
const callbackPath = "/oidc/callback"

const (
	signInLife     = 10 * time.Minute
	providerLife   = time.Hour // of what a discovery document says
	maxProviders   = 256
	handleDigits   = 30
	handleTries    = 3
	clockLeeway    = time.Minute // a provider's clock may be ahead of ours by it, or behind
	signInsPerHour = 30          // of one station
)

// signIn is the Body of a proof by a provider: what binds the answer to the question, and then who signed in.
type signIn struct {
	Provider  string `json:"provider"`
	Owner     int64  `json:"owner"` // organisation of the provider's settings
	Nonce     string `json:"nonce,omitempty"`
	Verifier  string `json:"verifier,omitempty"` // of PKCE
	ReturnURL string `json:"return_url,omitempty"`
	Terms     string `json:"terms,omitempty"`

	Issuer  string `json:"issuer,omitempty"`
	Subject string `json:"subject,omitempty"`
	Email   string `json:"email,omitempty"` // empty where the provider does not vouch for it
	First   string `json:"first,omitempty"`
	Last    string `json:"last,omitempty"`
}

// beginOIDC sends the guest to a provider.
func (s *Server) beginOIDC(ctx context.Context, b *proofBegun) error {
	back, err := url.Parse(b.ReturnURL)
	if err != nil || back.Host == "" || back.User != nil || back.Fragment != "" || back.Scheme != "http" && back.Scheme != "https" {
		return malformed(http.StatusBadRequest, "return_url must be an http or https URL.")
	}
	if s.cfg.PublicURL == nil {
		s.cfg.Log.Warn("nobody can sign in at a provider: the centre has no --public-url")
		return unfitProof(edge.ProofNotOffered, "The centre does not know its own address.")
	}
	v, owner, err := s.cfg.Store.NearestSetting(ctx, b.gateway.Scope.Own(), "oidc/"+b.Provider)
	if errors.Is(err, store.ErrNotFound) {
		return unfitProof(edge.ProofNotOffered, "There is no such provider.")
	}
	if err != nil {
		return err
	}
	at, err := s.relyingParty(ctx, owner, v)
	if err != nil {
		s.cfg.Log.Warn("a provider cannot be used", "provider", b.Provider, "organization", owner, "err", err)
		return unfitProof(edge.ProofNotOffered, "The provider cannot be reached.")
	}
	said := signIn{Provider: b.Provider, Owner: owner, Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), ReturnURL: b.ReturnURL, Terms: b.Terms}
	if b.proof.Body, err = json.Marshal(said); err != nil {
		return err
	}
	b.link = rand.Text()
	b.proof.Expires = s.cfg.Clock.Now().Add(signInLife)
	b.limits = []store.ProofLimit{{Station: true, Most: signInsPerHour, Within: time.Hour}}
	options := []oauth2.AuthCodeOption{oidc.Nonce(said.Nonce), oauth2.S256ChallengeOption(said.Verifier)}
	if b.Locale != "" {
		options = append(options, oauth2.SetAuthURLParam("ui_locales", b.Locale))
	}
	b.answer.URL = at.oauth.AuthCodeURL(b.link, options...)
	b.answer.Names = at.names(s.cfg.PublicURL)
	return nil
}

// relyingParty is the centre as a provider's client, by an organisation's settings.
type relyingParty struct {
	settings  admin.OIDCSettings
	provider  *oidc.Provider
	oauth     oauth2.Config
	issAlways bool // the provider names itself in every answer (RFC 9207)
}

func (s *Server) relyingParty(ctx context.Context, owner int64, v store.Setting) (at relyingParty, err error) {
	shown, err := showOIDC(v)
	if err != nil {
		return at, err
	}
	at.settings = shown.(admin.OIDCSettings)
	secret, err := s.settingSecret(owner, v)
	if err != nil {
		return at, err
	}
	if at.provider, err = s.providers.get(ctx, at.settings.Issuer, s.cfg.Clock.Now()); err != nil {
		return at, err
	}
	var more struct {
		Iss bool `json:"authorization_response_iss_parameter_supported"`
	}
	if err := at.provider.Claims(&more); err != nil {
		return at, err
	}
	at.issAlways = more.Iss
	at.oauth = oauth2.Config{ClientID: at.settings.ClientID, ClientSecret: secret, Endpoint: at.provider.Endpoint(),
		RedirectURL: s.cfg.PublicURL.JoinPath(callbackPath).String(), Scopes: at.settings.Scopes}
	if !slices.Contains(at.oauth.Scopes, oidc.ScopeOpenID) {
		at.oauth.Scopes = append([]string{oidc.ScopeOpenID}, at.oauth.Scopes...)
	}
	return at, nil
}

// names are the hosts that the guest's browser needs: where it signs in, what the settings add, and the centre, to which it comes
// back. What only the centre talks to is not among them.
func (at relyingParty) names(centre *url.URL) []string {
	all := []string{centre.Hostname()}
	for _, text := range []string{at.settings.Issuer, at.oauth.Endpoint.AuthURL} {
		if u, err := url.Parse(text); err == nil && u.Hostname() != "" {
			all = append(all, u.Hostname())
		}
	}
	all = append(all, at.settings.Hosts...)
	for i, name := range all {
		all[i] = strings.ToLower(name)
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), coversProbe)
}

// probeHosts are asked by devices whether they are online. Who opens them before the login makes the sign-in sheet go away (standards.md §2.4).
var probeHosts = []string{"captive.apple.com", "www.apple.com", "connectivitycheck.gstatic.com", "www.gstatic.com", "connectivitycheck.android.com",
	"www.google.com", "clients1.google.com", "clients3.google.com", "clients4.google.com", "play.googleapis.com", "www.googleapis.com",
	"www.msftconnecttest.com", "ipv6.msftconnecttest.com", "www.msftncsi.com", "detectportal.firefox.com", "nmcheck.gnome.org",
	"connectivity-check.ubuntu.com", "cp.cloudflare.com", "d2uzsrnmmf6tds.cloudfront.net", "connectivitycheck.platform.hicloud.com",
	"connect.rom.miui.com", "spectrum.s3.amazonaws.com"}

// coversProbe tells whether a name, which may begin with "*.", opens a host of probes.
func coversProbe(name string) bool {
	below, wild := strings.CutPrefix(name, "*")
	return slices.ContainsFunc(probeHosts, func(h string) bool { return h == name || wild && strings.HasSuffix(h, below) })
}

// signInError is why a sign-in came to nothing, in a word for the portal.
type signInError struct {
	word string
	err  error
}

func (e *signInError) Error() string { return e.word + ": " + e.err.Error() }

// The words that the portal tells the guest by.
const (
	wordDenied    = "denied"    // the guest did not want to, or the provider did not let him
	wordFailed    = "failed"    // the provider's answer is not right
	wordElsewhere = "elsewhere" // he is somebody, but nobody of this house's
)

// oidcCallback takes a browser back from a provider and sends it on to the portal, with a handle that is good once, for the station
// that began.
func (s *Server) oidcCallback(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	q := r.URL.Query()
	var p store.Proof
	// Whoever comes second with a state, or comes with one that nobody was given, finds nothing.
	err := s.cfg.Store.DecideProof(r.Context(), q.Get("state"), func(pending *store.Proof) error { p = *pending; return nil })
	var said signIn
	if err == nil {
		err = json.Unmarshal(p.Body, &said)
	}
	if err != nil {
		s.signInOver(w, r, err)
		return
	}
	back, err := url.Parse(said.ReturnURL)
	if err != nil {
		s.signInOver(w, r, err)
		return
	}
	answer := back.Query()
	err = s.signedIn(r.Context(), &said, q)
	p.State = store.ProofPending
	if err == nil {
		handle := newHandle()
		p.Code, p.Tries = s.proofCode(p.Zone, p.Station, handle), handleTries
		answer.Set("h", handle)
	} else {
		failed := &signInError{wordFailed, err}
		_ = errors.As(err, &failed)
		p.State = store.ProofDenied
		answer.Set("e", failed.word)
		s.cfg.Log.Warn("a guest did not sign in", "request", requestID(r), "provider", said.Provider, "organization", p.Organization, "err", failed)
	}
	said.Nonce, said.Verifier, said.ReturnURL = "", "", ""
	if p.Body, err = json.Marshal(said); err == nil {
		err = s.cfg.Store.SettleProof(r.Context(), p)
	}
	if err != nil {
		s.signInOver(w, r, err)
		return
	}
	back.RawQuery = answer.Encode()
	http.Redirect(w, r, back.String(), http.StatusSeeOther)
}

// newHandle is in digits: it is checked as codes are.
func newHandle() string {
	n, _ := rand.Int(rand.Reader, new(big.Int).Exp(big.NewInt(10), big.NewInt(handleDigits), nil)) // never fails
	text := n.String()
	return strings.Repeat("0", handleDigits-len(text)) + text
}

// signedIn finds out who signed in, by the provider's answer.
func (s *Server) signedIn(ctx context.Context, said *signIn, q url.Values) error {
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, s.providers.client), sendTime)
	defer cancel()
	v, err := s.cfg.Store.Setting(ctx, said.Owner, "oidc/"+said.Provider)
	if err != nil {
		return err
	}
	at, err := s.relyingParty(ctx, said.Owner, v)
	if err != nil {
		return err
	}
	// Before anything of the answer is believed: that it is this provider's (RFC 9207 §2.4).
	if iss := q.Get("iss"); (iss != "" || at.issAlways) && iss != at.settings.Issuer {
		return errors.New("the answer is another provider's")
	}
	if q.Has("error") {
		word := wordFailed
		if q.Get("error") == "access_denied" {
			word = wordDenied
		}
		return &signInError{word, errors.New("the provider says no")}
	}
	token, err := at.oauth.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(said.Verifier))
	if err != nil {
		return withoutBody(err)
	}
	who, err := s.claims(ctx, at, said, token)
	if err != nil {
		return err
	}
	said.Issuer, said.Subject = at.settings.Issuer, who.Subject
	said.First, said.Last = shorten(who.First), shorten(who.Last)
	if who.verified() {
		said.Email = strings.ToLower(shorten(who.Email))
	}
	if !admits(at.settings, who) {
		return &signInError{wordElsewhere, errors.New("neither domain nor group is one of those that may")}
	}
	return nil
}

// withoutBody is an error of the token endpoint without its body, in which anything may stand.
func withoutBody(err error) error {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		return errors.New("the provider does not take the code: " + refused.ErrorCode)
	}
	return err
}

// providers remembers what discovery documents say.
type providers struct {
	client *http.Client

	mu    sync.Mutex
	known map[string]foundProvider // by issuer
}

type foundProvider struct {
	*oidc.Provider
	until time.Time
}

func (p *providers) get(ctx context.Context, issuer string, now time.Time) (*oidc.Provider, error) {
	p.mu.Lock()
	found, ok := p.known[issuer]
	p.mu.Unlock()
	if ok && now.Before(found.until) {
		return found.Provider, nil
	}
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, p.client), issuer)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known) >= maxProviders {
		clear(p.known)
	}
	p.known[issuer] = foundProvider{provider, now.Add(providerLife)}
	return provider, nil
}

// listProviders tells a gateway which buttons its login pages have.
func (s *Server) gatewayProviders(ctx context.Context, g store.Gateway) (list []edge.Provider, err error) {
	all, err := s.cfg.Store.NearestSettings(ctx, g.Scope.Own(), "oidc/")
	for _, v := range all {
		name := strings.TrimPrefix(v.Kind, "oidc/")
		list = append(list, edge.Provider{Name: name, Title: cmp.Or(stringField(v.Body, "display_name"), name)})
	}
	return list, err
}

// signInOver is the page for a browser of which nobody knows any more where it came from.
func (s *Server) signInOver(w http.ResponseWriter, r *http.Request, err error) {
	if !errors.Is(err, store.ErrNotFound) {
		s.cfg.Log.Error("taking back a guest from a provider", "request", requestID(r), "err", err)
	}
	page := web.SignInOver{Page: web.Page{Locale: web.Choose(r.Header.Get("Accept-Language"))}}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", web.StaticPolicy())
	w.WriteHeader(http.StatusGone)
	_ = page.View().Render(r.Context(), w) // the browser may be gone
}
