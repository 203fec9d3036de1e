package portal

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatehouse/sessions"
)

// devices are an account's at the border.
type devices struct {
	all    []sessions.Device
	done   []string // what was asked for
	answer error
	known  sessions.Password
}

func (d *devices) Recognized(_ string, secret sessions.Password) (string, bool) {
	return "anna", d.known != "" && secret == d.known
}
func (d *devices) Devices(sessions.Station) []sessions.Device { return d.all }
func (d *devices) LogoutDevice(_ context.Context, _ sessions.Station, id string, forget bool) error {
	d.done = append(d.done, map[bool]string{false: "log out ", true: "forget "}[forget]+id)
	return d.answer
}
func (d *devices) NameDevice(_ context.Context, _ sessions.Station, id, name string) error {
	d.done = append(d.done, "name "+id+" "+name)
	return d.answer
}
func (d *devices) AddDevice(_ context.Context, _ sessions.Station, which, name string) (sessions.Session, error) {
	d.done = append(d.done, "add "+which+" "+name)
	return sessions.Session{}, d.answer
}
func (d *devices) PairingCode(sessions.Station) (string, time.Duration) {
	return "K7MP3X", 9 * time.Minute
}
func (d *devices) FreeSlot(_ context.Context, _ sessions.Station, ticket sessions.Password, id string) (sessions.Session, error) {
	d.done = append(d.done, "free "+id+" by "+string(ticket))
	return sessions.Session{}, d.answer
}

func devicesBench(t *testing.T) (*bench, *devices) {
	d := &devices{all: []sessions.Device{{ID: "a1", Name: "iPhone", Tail: "4f:2a", Here: true, Online: true, Known: true}, {ID: "b2", Tail: "00:17", Online: true}}}
	b := start(t, func(c *Config) { c.Devices = d })
	b.manager.zone.Remember, b.manager.zone.AddDevices = 30*24*time.Hour, true
	return b, d
}

func TestDevices(t *testing.T) {
	b, d := devicesBench(t)
	if a := b.get("/devices"); a.status != http.StatusSeeOther || a.header.Get("Location") != "/" {
		t.Errorf("not online: %d %s", a.status, a.header.Get("Location"))
	}
	token := b.token()
	b.manager.set(&sessions.Session{Username: "anna", Source: sessions.SourceLocal, Station: phone})
	if a := b.get("/status"); !strings.Contains(a.body, `href="/devices"`) {
		t.Error("the status page does not lead to the devices")
	}
	page := b.get("/devices").body
	for _, want := range []string{"iPhone", "…4f:2a", "…00:17", `value="a1"`, `name="which"`, "private Wi-Fi address"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	made := start(t, func(c *Config) {
		c.Identify = func(context.Context, netip.AddrPort, netip.AddrPort) (sessions.Station, bool) {
			return sessions.Station{Zone: "guest", MAC: sessions.MAC{0, 0, 0x5e, 0x10, 0, 1}}, true
		}
	})
	made.manager.set(&sessions.Session{Username: "anna", Source: sessions.SourceLocal})
	if a := made.get("/devices"); a.status != http.StatusOK || strings.Contains(a.body, "private Wi-Fi address") {
		t.Errorf("an address of the maker's: %d %s", a.status, a.body)
	}
	for _, form := range []url.Values{
		values("token", token, "id", "b2", "do", "logout"), values("token", token, "id", "a1", "do", "forget"), values("token", token, "id", "a1", "name", "Mine"),
	} {
		if a := b.post("/devices", "", form); a.status != http.StatusSeeOther || a.header.Get("Location") != "/devices" {
			t.Errorf("%v: %d %s", form, a.status, a.body)
		}
	}
	b.post("/devices/add", "", values("token", token, "which", "k7m-p3x", "name", "TV"))
	if want := "log out b2|forget a1|name a1 Mine|add k7m-p3x TV"; strings.Join(d.done, "|") != want {
		t.Errorf("asked: %q, want %q", d.done, want)
	}
	d.answer, d.done = &sessions.Refusal{Reason: sessions.RefusedPairing}, nil
	if a := b.post("/devices/add", "", values("token", token, "which", `"><b>`)); a.status != http.StatusOK || !strings.Contains(a.body, "No device shows this code") || strings.Contains(a.body, "<b>") {
		t.Errorf("a wrong code: %d %s", a.status, a.body)
	}
	d.done = nil
	for _, path := range []string{"/devices", "/devices/add", "/devices/free"} { // no form of ours
		b.post(path, "Origin: http://evil.example\r\n", values("token", token, "id", "a1", "do", "forget", "which", "x", "ticket", "x"))
		b.post(path, "", values("token", "x", "id", "a1", "do", "forget", "which", "x", "ticket", "x"))
	}
	if d.done != nil {
		t.Errorf("done for strangers: %q", d.done)
	}
}

func TestSlot(t *testing.T) {
	b, d := devicesBench(t)
	b.manager.login = func(context.Context, sessions.LoginRequest) (sessions.Session, error) {
		return sessions.Session{}, &sessions.Refusal{Reason: sessions.RefusedTooMany, Slot: &sessions.Slot{Ticket: "once", Devices: d.all}}
	}
	a := b.post("/login", "", values("method", "password", "token", b.token(), "username", "anna", "password", "x"))
	if a.status != http.StatusOK || !strings.Contains(a.body, `value="once"`) || !strings.Contains(a.body, `action="/devices/free"`) {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if strings.Contains(b.get("/").body, "/devices/free") {
		t.Error("a page that was asked for anew has somebody's devices")
	}
	if a := b.post("/devices/free", "", values("token", b.token(), "ticket", "once", "id", "b2")); a.status != http.StatusSeeOther || a.header.Get("Location") != "/status" {
		t.Errorf("freed: %d %s", a.status, a.body)
	}
	if len(d.done) != 1 || d.done[0] != "free b2 by once" {
		t.Errorf("asked: %q", d.done)
	}
	d.answer = &sessions.Refusal{Reason: sessions.RefusedTicket}
	if a := b.post("/devices/free", "", values("token", b.token(), "ticket", "once", "id", "b2")); a.status != http.StatusOK || !strings.Contains(a.body, "took too long") {
		t.Errorf("refused: %d %s", a.status, a.body)
	}
}

func TestPairing(t *testing.T) {
	b, _ := devicesBench(t)
	if !strings.Contains(b.get("/").body, `href="/code"`) {
		t.Error("the login page does not lead to the code")
	}
	if a := b.get("/code"); a.status != http.StatusOK || a.header.Get("Refresh") != "5" || !strings.Contains(a.body, "K7M-P3X") {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
	b.manager.set(&sessions.Session{Username: "anna", Source: sessions.SourceLocal, Station: phone})
	if a := b.get("/code"); a.header.Get("Location") != "/status" {
		t.Errorf("online: %d %s", a.status, a.header.Get("Location"))
	}
}

// Remembering sets a cookie over TLS only, of a new secret each time, whatever the browser came with; nothing else needs one.
func TestSecret(t *testing.T) {
	var got []sessions.LoginRequest
	login := func(_ context.Context, req sessions.LoginRequest) (sessions.Session, error) {
		got = append(got, req)
		return sessions.Session{}, nil
	}
	b, _ := devicesBench(t)
	b.manager.login = login
	plain := b.post("/login", "User-Agent: Mozilla/5.0 (iPhone; CPU)\r\n", values("method", "click", "token", b.token(), "accept", "2026-11", "remember", "1"))
	if plain.header.Get("Set-Cookie") != "" || !got[0].Remember || got[0].NewSecret != "" || got[0].Device != "iPhone" {
		t.Errorf("over clear HTTP: %q %+v", plain.header.Get("Set-Cookie"), got[0])
	}

	d := &devices{known: "known"}
	s := startSecure(t)
	s.portal.cfg.Devices = d
	s.manager.zone.Remember, s.manager.login = time.Hour, login
	s.addr = authority
	token := regexp.MustCompile(`name="token" value="([^"]+)"`).FindStringSubmatch(s.secure("GET / HTTP/1.1\r\nHost: " + s.addr + "\r\nConnection: close\r\n\r\n").body)[1]
	set := map[string]bool{}
	for _, cookie := range []string{"", "Cookie: __Host-gatehouse=set-by-somebody\r\n"} {
		a := s.secure(s.postText("/login", cookie, values("method", "click", "token", token, "accept", "2026-11", "remember", "1")))
		c := a.header.Get("Set-Cookie")
		if !regexp.MustCompile(`^__Host-gatehouse=[A-Z2-7]{26}; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Lax$`).MatchString(c) || strings.Contains(c, "somebody") {
			t.Errorf("cookie: %q", c)
		}
		set[c] = true
		if last := got[len(got)-1]; !strings.Contains(c, string(last.NewSecret)) || last.Secret != "" {
			t.Errorf("request: %+v", last)
		}
	}
	if len(set) != 2 {
		t.Error("two browsers have one secret")
	}
	if a := s.secure("GET / HTTP/1.1\r\nHost: " + s.addr + "\r\nCookie: __Host-gatehouse=other\r\nConnection: close\r\n\r\n"); strings.Contains(a.body, "Welcome back") {
		t.Error("a strange secret is welcomed")
	}
	if a := s.secure("GET / HTTP/1.1\r\nHost: " + s.addr + "\r\nCookie: __Host-gatehouse=known\r\nConnection: close\r\n\r\n"); !strings.Contains(a.body, "Go online as anna") {
		t.Errorf("the guest is not known:\n%s", a.body)
	}
	a := s.secure(s.postText("/login", "Cookie: __Host-gatehouse=known\r\n", values("method", "mac", "token", token)))
	if last := got[len(got)-1]; last.Secret != "known" || last.NewSecret == "" || last.NewSecret == "known" || !strings.Contains(a.header.Get("Set-Cookie"), string(last.NewSecret)) {
		t.Errorf("coming back: %+v %q", last, a.header.Get("Set-Cookie"))
	}
	if strings.Contains(s.log.String()+b.log.String(), "known") {
		t.Error("a secret is in the log")
	}
}
