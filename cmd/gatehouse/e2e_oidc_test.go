package main

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/lab"
	"gatehouse/lab/browser"
	"gatehouse/lab/openid"
	"gatehouse/lab/venue"
)

const (
	providerAddr = "198.51.100.30"
	providerURL  = "https://" + providerAddr
)

// TestSignInAtProvider walks through a sign-in at a real OpenID provider by clicks. What it needs is open for whoever pressed the
// button, on port 443, and for nobody else and nothing else; and closed again once it is done.
func TestSignInAtProvider(t *testing.T) {
	lab.RequireKernel(t)
	browser.Require(t)
	v := newVenue(t, venue.Options{Central: central(t), PublicURL: venue.CentrePublic, Zone: "methods = [\"oidc\", \"click\"]\nterms = \"Be kind.\"\n"})
	startProvider(t, v)
	// A gateway hears of providers with the next answer to its question for changes; a new one asks at once.
	if err := v.Daemon.Terminate(); err != nil {
		t.Fatal(err)
	}
	if err := v.StartGateway(t.Context()); err != nil {
		t.Fatal(err)
	}
	stranger := newGuest(t, v)
	for _, o := range []browser.Options{{}, {NoScript: true, Language: "ar", Dark: true}} {
		t.Run(fmt.Sprintf("script=%t,%s", !o.NoScript, o.Language), func(t *testing.T) {
			g := newGuest(t, v)
			o.Host, o.Authority = g.Host, v.CAFile
			b := browser.Open(t, o)
			const button = `button[name=provider][value=work]`
			if err := lab.WaitFor(t.Context(), 10*time.Second, func() error { b.Go(probe); return hasButton(t, g) }); err != nil {
				t.Fatal(err)
			}
			b.Go(probe)
			b.See(button)
			b.WantLight(maxPage)
			b.Check("1-login")
			wantReached(t, g, map[string]lab.Outcome{providerAddr + ":443": lab.Refused, lab.CentreAddr4 + ":443": lab.Refused})
			b.Click(button)
			b.See("#username") // the provider's
			b.Shot("2-provider")
			wantReached(t, g, map[string]lab.Outcome{
				providerAddr + ":443": lab.Connected, lab.CentreAddr4 + ":443": lab.Connected, "[" + lab.CentreAddr6 + "]:443": lab.Connected,
				lab.CentreAddr4 + ":8080": lab.Refused, lab.WebAddr4 + ":443": lab.Refused, "[" + lab.WebAddr6 + "]:443": lab.Refused, lab.GardenAddr4 + ":443": lab.Refused,
			})
			wantReached(t, stranger, map[string]lab.Outcome{providerAddr + ":443": lab.Refused, lab.CentreAddr4 + ":443": lab.Refused})
			answered(t, g, http.StatusFound) // port 80 leads to the portal as before
			b.Fill("#username", openid.User(providerURL))
			b.Fill("#password", openid.Password)
			b.Click("button[type=submit]")
			b.See(logOut)
			b.WantPath("/status")
			b.Check("3-status")
			answered(t, g, http.StatusNoContent)
			b.Click(logOut)
			b.WantPath("/logged-out")
			wantReached(t, g, map[string]lab.Outcome{providerAddr + ":443": lab.Refused, lab.CentreAddr4 + ":443": lab.Refused})
			b.Go("http://" + lab.GuestGateway4 + ":2080/oidc?h=123") // too late, or from nowhere
			b.See("#problem")
			b.Check("4-over")
		})
	}
	if text := v.Daemon.Log() + v.Centre.Log(); strings.Contains(text, "state=") || strings.Contains(text, "ghp_") || strings.Contains(text, "code=") {
		t.Error("secrets of a sign-in are in a log")
	}
}

func hasButton(t *testing.T, g *venue.Guest) error {
	page, err := g.Sheet(t.Context())
	if err == nil && !strings.Contains(page.Body, `name="provider"`) {
		err = fmt.Errorf("no button for a provider:\n%s", page.Body)
	}
	return err
}

func wantReached(t *testing.T, g *venue.Guest, want map[string]lab.Outcome) {
	t.Helper()
	for addr, outcome := range want {
		if got, err := g.ProbeTCP(t.Context(), addr, lab.Patience(2*time.Second)); got != outcome {
			t.Errorf("TCP to %s: %v %v, want %v", addr, got, err, outcome)
		}
	}
}

// startProvider puts a provider and the centre's own HTTPS into the internet, and tells the centre of the provider.
func startProvider(t *testing.T, v *venue.Venue) {
	t.Helper()
	if _, err := v.WAN.Run(t.Context(), "ip", "address", "add", providerAddr+"/32", "dev", "lo"); err != nil {
		t.Fatal(err)
	}
	certificate, key, err := v.Issue(time.Now().Add(time.Hour), providerAddr, lab.CentreName)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "provider.pem"), filepath.Join(dir, "provider.key")
	for name, text := range map[string][]byte{certFile: certificate, keyFile: key} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program := openid.Build(t)
	if _, err := v.WAN.Start(t.Context(), []string{program, providerURL, providerAddr + ":443", venue.CentrePublic + "/oidc/callback", certFile, keyFile}, nil, nil); err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{lab.CentreAddr4 + ":443", "[" + lab.CentreAddr6 + "]:443"} {
		ln, err := v.WAN.Listen(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		to, err := url.Parse(venue.CentreURL)
		if err != nil {
			t.Fatal(err)
		}
		proxy := httputil.NewSingleHostReverseProxy(to)
		proxy.Transport = v.WAN.HTTPClient().Transport
		front := &http.Server{Handler: proxy, ReadHeaderTimeout: 10 * time.Second}
		t.Cleanup(func() { _ = front.Close() })
		go func() { _ = front.ServeTLS(ln, certFile, keyFile) }()
	}
	administer(t, v.WAN, v.Admin, http.MethodPut, "/settings/oidc/work/", map[string]any{"display_name": "Seeblick & Co", "issuer": providerURL,
		"client_id": openid.Client, "client_secret": openid.Secret, "scopes": []string{"openid", "email", "profile"}}, nil)
}
