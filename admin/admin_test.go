package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"gatehouse/internal/clock"
	"gatehouse/sessions"
)

var (
	noon  = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	alice = sessions.Station{Zone: "guest", MAC: sessions.MAC{2, 0, 0x5e, 0x10, 0, 1}}
	bob   = sessions.Station{Zone: "guest", MAC: sessions.MAC{2, 0, 0x5e, 0x10, 0, 2}}
)

// gateway is a sessions manager and an account book in memory.
type gateway struct {
	ending   sync.Mutex // the only call that comes several times at once
	running  map[sessions.Station]sessions.Session
	accounts []sessions.Account
	changed  []string
	extended []string
	rules    []sessions.AccessRule
}

func (g *gateway) View(st sessions.Station) sessions.StationView {
	for _, v := range g.Stations() {
		if v.Station == st {
			return v
		}
	}
	return sessions.StationView{Station: st, State: sessions.Captive}
}

func (g *gateway) Stations() []sessions.StationView {
	s := g.running[alice]
	return []sessions.StationView{
		{Station: alice, State: sessions.Authorized, Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.10")},
			SeenAt: time.Hour - 30*time.Second, Session: &s}, // the clock is at one hour
		{Station: bob, State: sessions.Blocked, Access: &chair, Refused: sessions.RefusedExpired},
	}
}

func (g *gateway) Sessions() []sessions.Session {
	var all []sessions.Session
	for _, st := range []sessions.Station{alice, bob} {
		if s, ok := g.running[st]; ok {
			all = append(all, s)
		}
	}
	return all
}

func (g *gateway) FindSession(which string) (sessions.Session, bool) {
	for _, s := range g.running {
		if s.AcctSessionID == which {
			return s, true
		}
	}
	return sessions.Session{}, false
}

func (g *gateway) Login(_ context.Context, req sessions.LoginRequest) (sessions.Session, error) {
	if req.Station.Zone != "guest" {
		return sessions.Session{}, &sessions.Refusal{Reason: sessions.RefusedUnknownZone}
	}
	s := sessions.Session{AcctSessionID: "s-new", Station: req.Station, Addr: req.Addr, Username: req.Credentials.Username, Method: req.Method}
	g.running[req.Station] = s
	return s, nil
}

func (g *gateway) Logout(_ context.Context, st sessions.Station, cause sessions.TerminateCause) (sessions.Session, error) {
	g.ending.Lock()
	defer g.ending.Unlock()
	s, ok := g.running[st]
	if !ok {
		return s, &sessions.Refusal{Reason: sessions.RefusedNotLoggedIn}
	}
	delete(g.running, st)
	s.TerminateCause = cause
	return s, nil
}

func (g *gateway) Extend(_ context.Context, st sessions.Station, x sessions.Extension) (sessions.Session, error) {
	s := g.running[st]
	if x.Data > 0 && s.Limits.Caps.Session == (sessions.Volume{}) {
		return s, sessions.ErrNoLimit
	}
	s.Limits.SessionTimeout += x.Time
	s.Data = sessions.DataView{Limited: true, Left: x.Data}
	return s, nil
}

func (g *gateway) ExtendAccount(ctx context.Context, username string, data sessions.Bytes) error {
	_, err := g.Account(ctx, username)
	g.extended = append(g.extended, fmt.Sprintln(username, data, err == nil))
	return err
}

func (g *gateway) ExtendGuest(_ context.Context, st sessions.Station, data sessions.Bytes) error {
	g.extended = append(g.extended, fmt.Sprintln(st, data))
	return nil
}

func (g *gateway) AccountChanged(_ context.Context, username string) error {
	g.changed = append(g.changed, username)
	return nil
}

func (g *gateway) Account(_ context.Context, username string) (sessions.Account, error) {
	for _, a := range g.accounts {
		if a.Username == username {
			return a, nil
		}
	}
	return sessions.Account{}, sessions.ErrNoAccount
}

func (g *gateway) ListAccounts(context.Context) ([]sessions.Account, error) { return g.accounts, nil }

func (g *gateway) PutAccount(ctx context.Context, a sessions.Account) error {
	_ = g.DeleteAccount(ctx, a.Username)
	g.accounts = append(g.accounts, a)
	return nil
}

func (g *gateway) DeleteAccount(_ context.Context, username string) error {
	n := len(g.accounts)
	g.accounts = slices.DeleteFunc(g.accounts, func(a sessions.Account) bool { return a.Username == username })
	if len(g.accounts) == n {
		return sessions.ErrNoAccount
	}
	return nil
}

// serve runs a server on a socket in a directory of its own until the test ends.
func serve(t *testing.T) (path string, g *gateway, c *clock.Fake) {
	t.Helper()
	dir := t.TempDir()
	l, err := Listen(dir, "no-such-group")
	if err != nil {
		t.Fatal(err)
	}
	c = clock.NewFake(noon, "boot")
	g = &gateway{running: map[sessions.Station]sessions.Session{alice: {
		AcctSessionID: "s-1", AcctMultiSessionID: "s-1", Station: alice, Addr: netip.MustParseAddr("192.0.2.10"),
		Username: "alice", Source: sessions.SourceLocal, Method: sessions.MethodPassword,
		Limits:    sessions.Effective{SessionTimeout: time.Hour, IdleTimeout: 5 * time.Minute},
		StartedAt: sessions.Stamp{Wall: noon}, Used: 90 * time.Second,
		Usage: sessions.Usage{InputOctets: 1000, OutputOctets: 20000, InputPackets: 10, OutputPackets: 20},
	}}}
	server := NewServer(Config{
		Listener: l, Clock: c, Sessions: g, Accounts: g, Access: g, Extend: g, Visits: g, Pause: g, Logger: slog.New(slog.DiscardHandler),
		Outbox: func(context.Context) (int, error) { return 7, nil },
		Portal: func() Portal { return Portal{URL: "https://wifi.example/", Announced: true} },
		Bandwidth: func(zone string) []Bandwidth {
			return []Bandwidth{{Way: "down", Mechanism: "htb", Why: "of the queue of " + zone}}
		},
		Isolation: func(zone string) []Isolation {
			return []Isolation{{Interface: "br-guest", Mechanism: "ports", Why: "of the ports of " + zone}}
		},
		Facts: func(st sessions.Station) Facts {
			if st != alice {
				return Facts{}
			}
			return Facts{Name: "annas-phone", Vendor: "android-dhcp-15", Suspicions: []string{"two-macs"}}
		},
		Version: "1.2.3", NASID: "lobby-1",
		Zones: []Zone{{Name: "guest", Methods: []sessions.Method{sessions.MethodPassword}, Interfaces: []Interface{{Name: "lo"}, {Name: "gone0"}}}},
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, l.Unlock()); err != nil {
			t.Errorf("server: %v", err)
		}
		if _, err := os.Stat(filepath.Join(dir, SocketName)); !os.IsNotExist(err) {
			t.Errorf("the socket outlives the server: %v", err)
		}
	})
	return filepath.Join(dir, SocketName), g, c
}

func TestStatus(t *testing.T) {
	path, _, c := serve(t)
	c.Advance(42 * time.Second)
	got, err := NewClient(path).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := Status{
		Version: "1.2.3", NASID: "lobby-1", Uptime: 42, Stations: 2, Sessions: 1, Outbox: 7,
		Portal: Portal{URL: "https://wifi.example/", Announced: true},
		Zones: []Zone{{Name: "guest", Methods: []sessions.Method{sessions.MethodPassword}, Sessions: 1,
			Bandwidth:  []Bandwidth{{Way: "down", Mechanism: "htb", Why: "of the queue of guest"}},
			Isolation:  []Isolation{{Interface: "br-guest", Mechanism: "ports", Why: "of the ports of guest"}},
			Interfaces: []Interface{{Name: "lo", State: got.Zones[0].Interfaces[0].State}, {Name: "gone0", State: InterfaceMissing}}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if s := got.Zones[0].Interfaces[0].State; s == InterfaceMissing {
		t.Errorf("lo is %s", s)
	}
}

// TestWire fixes the JSON that scripts depend on.
func TestWire(t *testing.T) {
	path, _, _ := serve(t)
	got, err := NewClient(path).Stations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"zone":"guest","mac":"02:00:5e:10:00:01","state":"authorized","addresses":["192.0.2.10"],"last_seen":30,` +
		`"name":"annas-phone","vendor":"android-dhcp-15","suspicions":["two-macs"],"session":{` +
		`"acct_session_id":"s-1","acct_multi_session_id":"s-1","zone":"guest","mac":"02:00:5e:10:00:01","address":"192.0.2.10",` +
		`"username":"alice","source":"local","method":"password","started_at":"2026-11-21T12:00:00Z","session_time":90,` +
		`"session_timeout":3600,"session_time_left":3510,"idle_timeout":300,"data_left":null,"slow":false,"bandwidth_up":0,"bandwidth_down":0,"input_octets":1000,"output_octets":20000,` +
		`"input_packets":10,"output_packets":20},"access":null},` +
		`{"zone":"guest","mac":"02:00:5e:10:00:02","state":"blocked","addresses":[],"last_seen":null,` +
		`"name":"","vendor":"","suspicions":[],"session":null,"access":{"kind":"blocked","zone":"","mac":"02:00:5e:10:00:02",` +
		`"note":"a chair","by":"operator","made_at":"2026-11-21T12:00:00Z","seconds_left":90},"refused":"account_expired"}]`
	if diff := cmp.Diff(want, string(raw)); diff != "" {
		t.Errorf("stations (-want +got):\n%s", diff)
	}
}

// code is the wire code of an error of a Client.
func code(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func TestLoginAndLogout(t *testing.T) {
	path, g, _ := serve(t)
	c := NewClient(path)
	for _, which := range []string{"guest/" + bob.MAC.String(), bob.MAC.String()} {
		delete(g.running, bob)
		s, err := c.Login(t.Context(), LoginRequest{Station: which, Username: "conference"})
		if err != nil || s.MAC != bob.MAC || s.Zone != "guest" || s.Username != "conference" || s.Method != sessions.MethodAdmin {
			t.Errorf("login %s: %+v, %v", which, s, err)
		}
	}
	for which, want := range map[string]string{"guest": CodeInvalid, "staff/" + bob.MAC.String(): string(sessions.RefusedUnknownZone)} {
		if _, err := c.Login(t.Context(), LoginRequest{Station: which}); code(err) != want {
			t.Errorf("login %s: %v, want %s", which, err, want)
		}
	}
	if _, err := c.Logout(t.Context(), LogoutRequest{Which: "s-2"}); code(err) != CodeNotFound {
		t.Errorf("logout of nobody: %v", err)
	}
	stopped, err := c.Logout(t.Context(), LogoutRequest{Which: "s-1"})
	if err != nil || len(stopped) != 1 || stopped[0].MAC != alice.MAC || stopped[0].TerminateCause != sessions.AdminReset {
		t.Errorf("logout: %+v, %v", stopped, err)
	}
	if stopped, err = c.Logout(t.Context(), LogoutRequest{All: true}); err != nil || len(stopped) != 1 || len(g.running) != 0 {
		t.Errorf("logout of all: %+v, %v; still running: %v", stopped, err, g.running)
	}
}

func TestExtend(t *testing.T) {
	path, g, _ := serve(t)
	c := NewClient(path)
	got, err := c.Extend(t.Context(), ExtendRequest{Which: "s-1", Time: 60})
	if err != nil || len(got) != 1 || got[0].SessionTimeout != 3660 {
		t.Errorf("%+v, %v", got, err)
	}
	s := g.running[alice]
	s.Limits.Caps.Session.Up = 1
	s.Limits.BandwidthUp, s.Limits.SlowUp, s.Data = 5e6, 64e3, sessions.DataView{Limited: true, Slow: true}
	if w := sessionOf(s); !w.Slow || w.BandwidthUp != 64e3 || *w.DataLeft != 0 {
		t.Errorf("slow: %+v", w)
	}
	g.accounts = []sessions.Account{{Username: "alice"}}
	for which, want := range map[string]int{"alice": 1, "guest/" + bob.MAC.String(): 0} {
		if got, err := c.Extend(t.Context(), ExtendRequest{Which: which, Account: true, Data: 500e6}); err != nil || len(got) != want {
			t.Errorf("%s: %+v, %v", which, got, err)
		}
	}
	slices.Sort(g.extended)
	want := []string{"alice 500MB true\n", "guest/02:00:5e:10:00:02 500MB\n", "guest/02:00:5e:10:00:02 500MB false\n"}
	if diff := cmp.Diff(want, slices.Compact(g.extended)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, in := range []ExtendRequest{{Which: "s-1"}, {Which: "s-1", Time: -1}, {Which: "alice", Account: true, Time: 5}, {Which: "s-1", Data: 2e15}} {
		if _, err := c.Extend(t.Context(), in); code(err) != CodeInvalid {
			t.Errorf("%+v: %v", in, err)
		}
	}
	_, nobody := c.Extend(t.Context(), ExtendRequest{Which: "nobody", Account: true, Data: 1})
	_, gone := c.Extend(t.Context(), ExtendRequest{Which: "s-9", Data: 1})
	_, none := c.Extend(t.Context(), ExtendRequest{Which: "s-1", Data: 1})
	if diff := cmp.Diff([]string{CodeNotFound, CodeNotFound, CodeInvalid}, []string{code(nobody), code(gone), code(none)}); diff != "" {
		t.Errorf("codes (-want +got):\n%s", diff)
	}
}

func TestAccounts(t *testing.T) {
	path, g, _ := serve(t)
	c := NewClient(path)
	hour, two, negative := int64(3600), 2, int64(-1)
	gigabyte, slow, much := sessions.Bytes(1e9), sessions.BitRate(64e3), sessions.MaxBytes+1
	carol := Account{Username: "carol", Active: true, Expiration: noon, SessionTimeout: &hour, SimultaneousUse: &two,
		Caps: sessions.CapsOf[sessions.VolumeLimit]{Day: sessions.VolumeLimit{Total: &gigabyte}}, SlowDown: &slow}
	if _, err := c.AddAccount(t.Context(), carol, "secret"); err != nil {
		t.Fatal(err)
	}
	hash := g.accounts[0].PasswordHash
	if !strings.HasPrefix(hash, "$argon2id$") || strings.Contains(hash, "secret") {
		t.Errorf("hash %q", hash)
	}
	if err := c.SetPassword(t.Context(), "carol", "other"); err != nil || g.accounts[0].PasswordHash == hash {
		t.Errorf("passwd: %v, hash changed: %v", err, g.accounts[0].PasswordHash != hash)
	}
	all, err := c.Accounts(t.Context())
	if diff := cmp.Diff([]Account{carol}, all); err != nil || diff != "" {
		t.Errorf("accounts: %v (-want +got):\n%s", err, diff)
	}
	_, twice := c.AddAccount(t.Context(), carol, "secret")
	_, spaced := c.AddAccount(t.Context(), Account{Username: " carol"}, "secret")
	_, empty := c.AddAccount(t.Context(), Account{Username: "dave"}, "")
	_, large := c.AddAccount(t.Context(), Account{Username: "dave", Caps: sessions.CapsOf[sessions.VolumeLimit]{Week: sessions.VolumeLimit{Up: &much}}}, "secret")
	_, minus := c.AddAccount(t.Context(), Account{Username: "dave", IdleTimeout: &negative}, "secret")
	got := []string{code(twice), code(spaced), code(empty), code(large), code(minus),
		code(c.SetPassword(t.Context(), "nobody", "x")), code(c.RemoveAccount(t.Context(), "nobody"))}
	if diff := cmp.Diff([]string{CodeExists, CodeInvalid, CodeInvalid, CodeInvalid, CodeInvalid, CodeNotFound, CodeNotFound}, got); diff != "" {
		t.Errorf("codes of faults (-want +got):\n%s", diff)
	}
	if err := c.RemoveAccount(t.Context(), "carol"); err != nil || len(g.accounts) != 0 {
		t.Errorf("remove: %v, left %v", err, g.accounts)
	}
	if diff := cmp.Diff([]string{"carol", "carol"}, g.changed); diff != "" {
		t.Errorf("told the manager (-want +got):\n%s", diff)
	}
}

func TestListenKeepsOthersOut(t *testing.T) {
	dir := t.TempDir()
	first, err := Listen(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(dir, ""); !errors.Is(err, ErrRunning) {
		t.Errorf("a second daemon: %v", err)
	}
	info, err := os.Stat(filepath.Join(dir, SocketName))
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	// A daemon that was killed leaves its socket behind, but not its lock.
	first.Listener.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(dir, ""); !errors.Is(err, ErrRunning) {
		t.Errorf("while the first still writes its journal: %v", err)
	}
	if err := first.Unlock(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, SocketName)); err != nil {
		t.Fatalf("the socket is not stale: %v", err)
	}
	if _, err := NewClient(filepath.Join(dir, SocketName)).Status(t.Context()); !errors.Is(err, ErrUnreachable) {
		t.Errorf("a stale socket answers: %v", err)
	}
	second, err := Listen(dir, "")
	if err != nil {
		t.Fatalf("after a daemon that was killed: %v", err)
	}
	if err := errors.Join(second.Close(), second.Unlock()); err != nil {
		t.Error(err)
	}
}

// TestStranger: whoever the kernel does not vouch for is refused, before any operation is looked at.
func TestStranger(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(Config{
		Listener: &Listener{Listener: tcp, group: -1}, Clock: clock.NewFake(noon, "boot"), Sessions: &gateway{}, Accounts: &gateway{},
		Logger: slog.New(slog.DiscardHandler), Outbox: func(context.Context) (int, error) { return 0, nil },
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	resp, err := http.Get("http://" + tcp.Addr().String() + "/status")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var e Error
	if err := json.NewDecoder(resp.Body).Decode(&e); err != nil || resp.StatusCode != http.StatusForbidden || e.Code != CodeForbidden {
		t.Errorf("answered %s %+v, %v", resp.Status, e, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestPeer: the kernel's word over a real socket, for this very process.
func TestPeer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "peer.sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	near, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	cred, err := peerOf(far)
	want := &unix.Ucred{Pid: int32(os.Getpid()), Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid())}
	if diff := cmp.Diff(want, cred); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestMayOperate(t *testing.T) {
	const stranger, group = 54321, 4242
	for _, test := range []struct {
		cred  unix.Ucred
		group int
		want  bool
	}{
		{unix.Ucred{Uid: 0}, -1, true},
		{unix.Ucred{Uid: uint32(os.Geteuid()), Gid: stranger}, -1, true},
		{unix.Ucred{Uid: stranger, Gid: group}, group, true},
		{unix.Ucred{Uid: stranger, Gid: stranger}, group, false},
		{unix.Ucred{Uid: stranger, Gid: stranger}, -1, false},
	} {
		if got := mayOperate(&test.cred, test.group); got != test.want {
			t.Errorf("%+v, group %d: %v", test.cred, test.group, got)
		}
	}
}
