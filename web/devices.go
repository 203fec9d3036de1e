package web

import (
	"strings"
	"time"

	"github.com/a-h/templ"

	"gatehouse/sessions"
)

// Returning is the way in by one tap for a guest whose browser is known.
type Returning struct {
	oneStep
	Username string // empty: nobody's
}

// Method is sessions.MethodMAC.
func (Returning) Method() sessions.Method { return sessions.MethodMAC }

func (Returning) title(p Page) string { return words(p, deviceWords).WelcomeBack }

func (w Returning) fields(l Login) templ.Component { return l.returning(w) }

func (w Returning) button(p Page) string {
	if w.Username == "" {
		return p.texts().GoOnline
	}
	return strings.ReplaceAll(words(p, deviceWords).GoOnlineAs, "{name}", w.Username)
}

func (l Login) rememberMe() string {
	return strings.ReplaceAll(words(l.Page, deviceWords).RememberMe, "{time}", l.texts().duration(l.Remember))
}

// Devices are those of the account that a guest is online as.
type Devices struct {
	Page
	All     []sessions.Device
	Add     bool   // others can be added
	Private bool   // this one's MAC address is one that it has made up, and may change
	Typed   string // into the field for a new one, before
	Token   string
	Problem Problem
}

func (d Devices) words() *deviceTexts { return words(d.Page, deviceWords) }

// Pairing shows a code to type elsewhere.
type Pairing struct {
	Page
	Code string
	Left time.Duration
}

func (p Pairing) wait() string {
	return strings.ReplaceAll(words(p.Page, deviceWords).CodeWait, "{wait}", p.texts().wait(p.Left))
}

// called is how a guest tells a device from his others.
func (p Page) called(d sessions.Device) string {
	t := words(p, deviceWords)
	switch {
	case d.Name != "":
		return d.Name
	case d.Here:
		return t.ThisDevice
	}
	return t.Device
}

func (p Page) about(d sessions.Device) string {
	t := words(p, deviceWords)
	if d.Online {
		return strings.ReplaceAll(t.OnlineFor, "{time}", p.texts().duration(d.Since))
	}
	return t.Offline
}

func deviceSamples(page Page, with func(func(*Login)) templ.Component) []Sample {
	phone := sessions.Device{ID: "1", Name: "iPhone", Tail: "4f:2a", Here: true, Online: true, Known: true, Since: 46 * time.Minute}
	tv := sessions.Device{ID: "2", Tail: "00:17", Online: true, Since: 26 * time.Hour}
	known := sessions.Device{ID: "3", Name: "Anna’s tablet", Tail: "9c:01", Known: true}
	devices := Devices{Page: page, All: []sessions.Device{phone, tv, known}, Add: true, Private: true, Token: "sample"}
	wrong := devices
	wrong.Typed, wrong.Problem = "K7M-P3X", Problem{Reason: sessions.RefusedPairing}
	return []Sample{
		{"devices", devices.View()},
		{"devices-wrong-code", wrong.View()},
		{"pairing", Pairing{Page: page, Code: "K7MP3X", Left: 10 * time.Minute}.View()},
		{"login-remember", with(func(l *Login) {
			l.Ways, l.Remember, l.AddDevices = []Way{Returning{Username: "anna"}, Password{}}, 30*24*time.Hour, true
		})},
		{"login-slots", with(func(l *Login) {
			l.Ways, l.Slot = []Way{Password{}}, &sessions.Slot{Ticket: "sample", Devices: []sessions.Device{phone, tv}}
			l.Problem = Problem{Reason: sessions.RefusedTooMany}
		})},
	}
}
