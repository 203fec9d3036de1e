package venue

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/html"

	"gatehouse/lab"
)

// Guest is a station whose person uses the portal's pages without JavaScript.
type Guest struct {
	*lab.Station
	venue  *Venue
	client *http.Client
}

// Page is an answer, read to its end.
type Page struct {
	Status   int
	Location string
	Header   http.Header
	Body     string
	URL      *url.URL
}

// AddGuest adds a station with a lease.
func (v *Venue) AddGuest(ctx context.Context) (*Guest, error) {
	s, err := v.AddStation(ctx, lab.StationOptions{})
	if err != nil {
		return nil, err
	}
	return v.GuestAt(s), nil
}

// GuestAt makes a guest of a station.
func (v *Venue) GuestAt(s *lab.Station) *Guest {
	return &Guest{Station: s, venue: v, client: s.HTTPClient()}
}

// Get fetches a URL with a literal address and follows no redirect.
func (g *Guest) Get(ctx context.Context, rawURL string) (Page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
	if err != nil {
		return Page{}, err
	}
	return g.do(req)
}

func (g *Guest) do(req *http.Request) (Page, error) {
	resp, err := g.client.Do(req)
	if err != nil {
		return Page{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return Page{Status: resp.StatusCode, Location: resp.Header.Get("Location"), Header: resp.Header, Body: string(body), URL: req.URL}, err
}

// Probe asks for generate_204 of the internet, as Android does.
func (g *Guest) Probe(ctx context.Context) (Page, error) {
	return g.Get(ctx, "http://"+lab.WebAddr4+"/generate_204")
}

// Follow fetches where a redirect leads.
func (g *Guest) Follow(ctx context.Context, from Page) (Page, error) {
	to, err := from.URL.Parse(from.Location)
	if err != nil {
		return Page{}, err
	}
	return g.Get(ctx, to.String())
}

// Sheet opens the sign-in sheet: the probe, and the page that it is redirected to.
func (g *Guest) Sheet(ctx context.Context) (Page, error) {
	p, err := g.Probe(ctx)
	if err != nil {
		return p, err
	}
	if p.Status != http.StatusFound {
		return p, fmt.Errorf("the probe is answered %d, not redirected", p.Status)
	}
	return g.Follow(ctx, p)
}

// Password logs in by user name and password through the form and returns the page at the end.
func (g *Guest) Password(ctx context.Context, username, password string) (Page, error) {
	sheet, err := g.Sheet(ctx)
	if err != nil {
		return sheet, err
	}
	return g.Submit(ctx, sheet, "password", url.Values{"username": {username}, "password": {password}})
}

// Click logs in by accepting the terms and returns the page at the end.
func (g *Guest) Click(ctx context.Context) (Page, error) {
	sheet, err := g.Sheet(ctx)
	if err != nil {
		return sheet, err
	}
	return g.Submit(ctx, sheet, "click", nil)
}

// Submit fills in the form of the way in on the page, ticks its boxes, posts it and follows the answer.
func (g *Guest) Submit(ctx context.Context, page Page, method string, typed url.Values) (Page, error) {
	action, fields, err := form(page.Body, method)
	if err != nil {
		return page, err
	}
	for k, v := range typed {
		fields[k] = v
	}
	to, err := page.URL.Parse(action)
	if err != nil {
		return page, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), strings.NewReader(fields.Encode()))
	if err != nil {
		return page, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", page.URL.Scheme+"://"+page.URL.Host)
	answer, err := g.do(req)
	if err != nil || answer.Status != http.StatusSeeOther {
		return answer, err
	}
	return g.Follow(ctx, answer)
}

// Fields are what a browser would send with the form of that way in, every box ticked.
func Fields(page, method string) (url.Values, error) {
	_, fields, err := form(page, method)
	return fields, err
}

// form finds the form with the hidden field method, and its action and fields as a browser would send them with every
// box ticked. A form without that field is found by the path of its action. An empty method means the first form there is.
func form(page, method string) (action string, fields url.Values, err error) {
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		return "", nil, err
	}
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode || n.Data != "form" {
			continue
		}
		fields := url.Values{}
		for in := range n.Descendants() {
			if name := attr(in, "name"); in.Data == "input" && name != "" {
				fields.Set(name, attr(in, "value"))
			}
		}
		if action, _, _ := strings.Cut(attr(n, "action"), "?"); method == "" || fields.Get("method") == method || action == method {
			return attr(n, "action"), fields, nil
		}
	}
	return "", nil, fmt.Errorf("no form for %q on the page:\n%s", method, page)
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
