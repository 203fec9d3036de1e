package portal

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"gatehouse/sessions"
)

// APIPath is where the captive portal API is (RFC 8908), over HTTPS by the portal's name only.
const APIPath = "/captive-portal/api"

const captiveJSON = "application/captive+json"

// captivity is the answer of the API. What is not limited is left out (RFC 8908 §5).
type captivity struct {
	Captive          bool   `json:"captive"`
	UserPortalURL    string `json:"user-portal-url"` // Android ignores an answer with captive and without this
	VenueInfoURL     string `json:"venue-info-url,omitempty"`
	CanExtendSession bool   `json:"can-extend-session,omitempty"`
	SecondsRemaining *int64 `json:"seconds-remaining,omitempty"`
	BytesRemaining   *int64 `json:"bytes-remaining,omitempty"`
}

func (p *Portal) api(w http.ResponseWriter, r *http.Request) {
	c, head := connOf(r), w.Header()
	head.Set("Cache-Control", "no-store")
	head.Set("Vary", "Accept")
	head.Set("X-Content-Type-Options", "nosniff")
	if r.TLS == nil { // what is said in the clear could be said by anybody
		http.NotFound(w, r)
		return
	}
	st, ok := p.cfg.Identify(r.Context(), c.remote, c.local)
	if ok {
		_, ok = p.cfg.Manager.Zone(st.Zone)
	}
	if !ok {
		http.Error(w, "this device is in no network of this gateway", http.StatusForbidden)
		return
	}
	p.cfg.Manager.Seen(st, c.remote.Addr())
	portal := "https://" + p.cfg.Authority() + "/" // also for a connection that is older than a certificate gone bad
	if prefersHTML(r.Header.Values("Accept")) {
		answer(w, http.StatusFound, portal, portal, "")
		return
	}
	v := p.cfg.Manager.Look(r.Context(), st)
	if online(v) && v.Session.Data.Limited { // what is left shall be true now
		p.cfg.Manager.Recheck(r.Context())
		v = p.cfg.Manager.View(st)
	}
	a := captivityOf(v)
	a.UserPortalURL, a.VenueInfoURL = portal, p.cfg.Venues[st.Zone].URL
	body, _ := json.Marshal(a) // of texts and numbers
	head.Set("Content-Type", captiveJSON)
	head.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // the station may be gone, and nobody else would want to know
}

func captivityOf(v sessions.StationView) captivity {
	if !online(v) {
		return captivity{Captive: true}
	}
	a := captivity{CanExtendSession: v.More > 0}
	if v.Limited {
		seconds := int64(v.Left.Seconds())
		a.SecondsRemaining = &seconds
	}
	if d := v.Session.Data; d.Limited && !d.Slow { // slowly it goes on without end
		octets := int64(d.Left)
		a.BytesRemaining = &octets
	}
	return a
}

// prefersHTML tells whether a client wants a page rather than the API's answer: it is somebody's browser.
func prefersHTML(accept []string) bool {
	list := strings.Join(accept, ",")
	if strings.TrimSpace(list) == "" {
		return false
	}
	page := max(quality(list, "text", "html"), quality(list, "application", "xhtml+xml"))
	return page > quality(list, "application", "captive+json")
}

// quality is what an Accept header gives a type (RFC 9110 §12.5.1): that of the range that says it most closely.
func quality(accept, main, sub string) (q float64) {
	closest := -1
	for entry := range strings.SplitSeq(accept, ",") {
		name, parameters, _ := strings.Cut(entry, ";")
		m, s, ok := strings.Cut(strings.ToLower(strings.TrimSpace(name)), "/")
		close := -1
		switch {
		case !ok:
		case m == main && s == sub:
			close = 2
		case m == main && s == "*":
			close = 1
		case m == "*" && s == "*":
			close = 0
		}
		if close > closest {
			closest, q = close, weight(parameters)
		}
	}
	return q
}

// weight is the parameter q, 1 where there is none or it makes no sense.
func weight(parameters string) float64 {
	for p := range strings.SplitSeq(parameters, ";") {
		if name, value, _ := strings.Cut(strings.TrimSpace(p), "="); strings.EqualFold(name, "q") {
			if q, err := strconv.ParseFloat(value, 64); err == nil && q >= 0 && q <= 1 {
				return q
			}
		}
	}
	return 1
}
