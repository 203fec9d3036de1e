package portal

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"gatehouse/sessions"
	"gatehouse/web"
)

// Devices is what the portal asks of the sessions about the devices of an account.
type Devices interface {
	Recognized(zone string, secret sessions.Password) (username string, ok bool)
	Devices(st sessions.Station) []sessions.Device
	LogoutDevice(ctx context.Context, st sessions.Station, id string, forget bool) error
	NameDevice(ctx context.Context, st sessions.Station, id, name string) error
	AddDevice(ctx context.Context, st sessions.Station, which, name string) (sessions.Session, error)
	PairingCode(st sessions.Station) (code string, left time.Duration)
	FreeSlot(ctx context.Context, st sessions.Station, ticket sessions.Password, id string) (sessions.Session, error)
}

func (p *Portal) devicePages() []page {
	return []page{
		{"GET /devices", p.devices},
		{"POST /devices", p.changeDevice},
		{"POST /devices/add", p.addDevice},
		{"POST /devices/free", p.freeSlot},
		{"GET /code", p.pairing},
	}
}

// secretCookie is the one cookie that there is, and none is sent over clear HTTP. Nothing but the way in by one tap needs it.
// Its name binds it to this host and to TLS (RFC 6265bis §4.1.3.2).
const secretCookie = "__Host-gatehouse"

func (v *visit) secret() sessions.Password {
	c, err := v.Cookie(secretCookie)
	if v.TLS == nil || err != nil || len(c.Value) > 64 {
		return ""
	}
	return sessions.Password(c.Value)
}

// remembers adds to a request that the guest wants to be remembered, with a new secret for his browser. What the browser had is
// never taken over: somebody else may have put it there.
func (v *visit) remembers(req *sessions.LoginRequest) {
	req.Remember = v.zone.Remember > 0 && v.accepted.remember
	if v.TLS != nil && (req.Remember || req.Method == sessions.MethodMAC) {
		req.NewSecret = sessions.Password(rand.Text())
		v.keeps = req.NewSecret
	}
	req.Device = kindOfDevice(v.UserAgent())
}

// keepSecret gives the browser what the session of this visit was remembered with.
func (v *visit) keepSecret() {
	if v.keeps == "" {
		return
	}
	http.SetCookie(v.ResponseWriter, &http.Cookie{Name: secretCookie, Value: string(v.keeps), Path: "/", MaxAge: int(v.zone.Remember / time.Second),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// kindOfDevice is a name for a device that its guest will recognise; empty: none is known.
func kindOfDevice(userAgent string) string {
	for _, k := range []struct{ in, name string }{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"TV", "TV"}, {"Tizen", "TV"}, {"Web0S", "TV"}, {"PlayStation", "PlayStation"}, {"Xbox", "Xbox"},
		{"Nintendo", "Nintendo"}, {"Android", "Android"}, {"CrOS", "Chromebook"}, {"Windows", "Windows"}, {"Macintosh", "Mac"}, {"CaptiveNetworkSupport", "Apple"}, {"Linux", "Linux"},
	} {
		if strings.Contains(userAgent, k.in) {
			return k.name
		}
	}
	return ""
}

// returning is the way in of a guest whose browser is known; nil: it is not.
func (p *Portal) returning(v *visit) web.Way {
	secret := v.secret()
	if v.zone.Remember == 0 || secret == "" {
		return nil
	}
	name, ok := p.cfg.Devices.Recognized(v.zone.Name, secret)
	if !ok {
		return nil
	}
	if _, voucher := sessions.VoucherID(name); voucher {
		name = ""
	}
	return web.Returning{Username: name}
}

func returningRequest(v *visit, req *sessions.LoginRequest) sessions.Reason {
	if req.Secret = v.secret(); req.Secret == "" {
		return sessions.RefusedNotKnown
	}
	return ""
}

func (p *Portal) devices(v *visit) { p.showDevices(v, http.StatusOK, web.Problem{}) }

func (p *Portal) showDevices(v *visit, code int, problem web.Problem) {
	view := p.cfg.Manager.View(v.station)
	if !online(view) {
		v.seeOther("/")
		return
	}
	v.render(code, web.Devices{Page: v.page, All: p.cfg.Devices.Devices(v.station), Add: v.zone.AddDevices && view.Session.Source != sessions.SourceGuest,
		Private: v.station.MAC[0]&2 != 0, Typed: clip(v.PostForm.Get("which"), maxCode), Token: p.tokens.issue(v.station, p.cfg.Clock.Mono()), Problem: problem}.View())
}

// deviceForm does what a form about devices says, and goes on to a page.
func (p *Portal) deviceForm(v *visit, doing, next string, do func(context.Context) error) {
	if code, problem := p.readForm(v); problem.Reason != "" {
		p.showDevices(v, code, problem)
		return
	}
	ctx, cancel := context.WithTimeout(v.Context(), decideTimeout)
	defer cancel()
	if err := do(ctx); err != nil {
		code, problem := p.problem(v, err, doing)
		p.showDevices(v, code, problem)
		return
	}
	v.url = ""
	p.answerDone(v, next)
}

func (p *Portal) changeDevice(v *visit) {
	p.deviceForm(v, "changing a device", "/devices", func(ctx context.Context) error {
		id := v.PostForm.Get("id")
		switch v.PostForm.Get("do") {
		case "logout":
			return p.cfg.Devices.LogoutDevice(ctx, v.station, id, false)
		case "forget":
			return p.cfg.Devices.LogoutDevice(ctx, v.station, id, true)
		}
		return p.cfg.Devices.NameDevice(ctx, v.station, id, clip(v.PostForm.Get("name"), maxCode))
	})
}

func (p *Portal) addDevice(v *visit) {
	p.deviceForm(v, "adding a device", "/devices", func(ctx context.Context) error {
		_, err := p.cfg.Devices.AddDevice(ctx, v.station, clip(v.PostForm.Get("which"), maxCode), clip(v.PostForm.Get("name"), maxCode))
		return err
	})
}

// freeSlot gives this device the place of another of the account that was proven.
func (p *Portal) freeSlot(v *visit) {
	code, problem := p.readForm(v)
	if problem.Reason == "" {
		ctx, cancel := context.WithTimeout(v.Context(), decideTimeout)
		defer cancel()
		_, err := p.cfg.Devices.FreeSlot(ctx, v.station, sessions.Password(v.PostForm.Get("ticket")), v.PostForm.Get("id"))
		if err == nil {
			p.forget(v)
			p.answerDone(v, "/status")
			return
		}
		code, problem = p.problem(v, err, "freeing a place")
	}
	p.showLogin(v, code, problem)
}

// pairingEvery is how often the page of a device that cannot type looks whether it is online; by a header, so that the page needs
// no script.
const pairingEvery = "5"

func (p *Portal) pairing(v *visit) {
	if online(p.cfg.Manager.View(v.station)) {
		v.seeOther("/status")
		return
	}
	code, left := p.cfg.Devices.PairingCode(v.station)
	if code == "" {
		v.seeOther("/")
		return
	}
	v.ResponseWriter.Header().Set("Refresh", pairingEvery)
	v.render(http.StatusOK, web.Pairing{Page: v.page, Code: code, Left: left}.View())
}
