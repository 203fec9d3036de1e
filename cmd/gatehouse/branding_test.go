package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gatehouse/config"
	"gatehouse/lab"
	"gatehouse/lab/venue"
	"gatehouse/web"
)

const drawing = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path d="M0 0h8v8z"/></svg>`

// The organisation's look is used where the operator has said nothing, moved until it can be read.
func TestDress(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/logo.svg", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, drawing) })
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 9000)) })
	srv := httptest.NewTLSServer(mux)
	defer srv.Close()
	logo, err := fetchLogo(t.Context(), srv.Client(), srv.URL+"/logo.svg")
	if err != nil || string(logo) != drawing {
		t.Fatalf("the logo is %q, %v", logo, err)
	}
	for _, address := range []string{srv.URL + "/large", srv.URL + "/none", strings.Replace(srv.URL, "https", "http", 1) + "/logo.svg"} {
		if logo, err := fetchLogo(t.Context(), srv.Client(), address); err == nil {
			t.Errorf("%s is taken for a logo of %d octets", address, len(logo))
		}
	}
	b := branding{Name: "Acme", Primary: "#ff9900", Secondary: "nonsense", Logo: logo}
	c := &config.Config{Zones: make([]config.Zone, 2)}
	own, _ := web.NewTheme(web.ThemeSpec{Style: "h1{color:red}"})
	c.Zones[1].Theme = own
	if u := b.dress(c); u != (undressed{true, true}) || c.Portal.Venue != "Acme" || c.Zones[0].Theme != c.Portal.Theme || c.Zones[1].Theme != own {
		t.Errorf("dressed as %+v", c)
	}
	if sheet := c.Portal.Theme.Sheet(); !strings.Contains(sheet, "--accent:#a66300") || c.Portal.Theme.Logo() == "" {
		t.Errorf("the orange cannot be read: %.300s", sheet[len(sheet)-300:])
	}
	c = &config.Config{Portal: config.Portal{Venue: "Hotel", Theme: own}}
	if u := b.dress(c); u != (undressed{}) || c.Portal.Venue != "Hotel" || c.Portal.Theme != own {
		t.Errorf("an operator's own look is gone: %+v", c)
	}
	c = &config.Config{}
	if b = (branding{Logo: []byte("GIF89a")}); b.dress(c) != (undressed{true, true}) || c.Portal.Theme != nil {
		t.Errorf("a logo that phones do not show is worn: %+v", c)
	}
}

// TestBranding has a gateway ask a centre, and its pages change.
func TestBranding(t *testing.T) {
	lab.RequireKernel(t)
	v := newVenue(t, venue.Options{Central: central(t)})
	if err := v.Organization(t.Context(), "--primary-color", "#7a1f2b", "--secondary-color", "#6b5a1e"); err != nil {
		t.Fatal(err)
	}
	v.Daemon.Kill()
	if err := v.StartGateway(t.Context()); err != nil {
		t.Fatal(err)
	}
	g := newGuest(t, v)
	err := lab.WaitFor(t.Context(), 30*time.Second, func() error {
		page, err := g.Sheet(t.Context())
		if err == nil && !(strings.Contains(page.Body, "--accent:#7a1f2b") && strings.Contains(page.Body, "--gold:#6b5a1e")) {
			err = errors.New("the page does not look like the organisation")
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
