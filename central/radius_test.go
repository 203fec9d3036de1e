package central_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/api/admin"
	"gatehouse/api/gate"
	"gatehouse/central"
	"gatehouse/lab"
	"gatehouse/radius"
)

const nasSecret = "shared with the lobby"

// listens serves RADIUS over UDP to a client of acme on loopback, and returns where. What the listener has taken is answered when
// the test ends.
func (c *centre) listens(quirks ...string) (addr string) {
	c.t.Helper()
	body := map[string]any{"name": "lobby", "network": "127.0.0.1", "secret": nasSecret, "quirks": append([]string{}, quirks...)}
	c.want(http.StatusCreated, ask{who: "acme admin", method: "POST", path: "/admin/v1/radius_clients/", body: body}, nil)
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		c.t.Fatal(err)
	}
	c.serveRADIUS(central.RADIUSListeners{UDP: conn})
	return conn.LocalAddr().String()
}

func (c *centre) serveRADIUS(l central.RADIUSListeners) {
	c.t.Helper()
	ready := func() int { return strings.Count(c.log.String(), "RADIUS clients read") }
	before := ready()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.server.ServeRADIUS(ctx, l) }()
	c.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			c.t.Error(err)
		}
	})
	c.eventually("the listener has read its clients", func() bool { return ready() > before })
}

// radclient sends packets with FreeRADIUS's client, where it is installed, and tells whether each was answered.
func radclient(t testing.TB, addr string, packets ...string) bool {
	t.Helper()
	_, err := exec.LookPath("radclient")
	lab.Require(t, err)
	cmd := exec.Command("radclient", "-q", "-p", "50", "-r", "1", "-t", "8", addr, "acct", nasSecret)
	cmd.Stdin = strings.NewReader(strings.Join(packets, "\n\n"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Logf("radclient: %v: %s", err, out)
	}
	return err == nil
}

// accounting is all of acme's list.
func (c *centre) accounting() []gate.AcctRecord {
	c.t.Helper()
	var list []gate.AcctRecord
	for path := "/api/v1/aaa_accounting/?limit=100"; path != ""; {
		var page struct {
			Next    *string
			Results []gate.AcctRecord
		}
		c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: path}, &page)
		list = append(list, page.Results...)
		if path = ""; page.Next != nil {
			path = *page.Next
		}
	}
	return list
}

const lobbyPacket = `Acct-Session-Id = "S1"
User-Name = "guest"
NAS-IP-Address = 10.0.0.1
NAS-Identifier = "gw1"
NAS-Port = 7
NAS-Port-Type = Wireless-802.11
Service-Type = Login-User
Framed-Protocol = PPP
Acct-Authentic = RADIUS
Called-Station-Id = "02-00-5E-00-00-01:guests"
Calling-Station-Id = "02:00:5e:10:00:01"
Framed-IP-Address = 10.1.0.9
Class = 0x00ff
WISPr-Location-Name = "Lobby"
`

func TestRADIUSReachesTheList(t *testing.T) {
	c := newCentre(t, withSecrets(t))
	user := c.user("acme", "guest", "")
	addr := c.listens()
	if !radclient(t, addr, lobbyPacket+"Acct-Status-Type = Start\nConnect-Info = \"CONNECT 54Mbps\"\nEvent-Timestamp = \"Mar 01 2026 11:00:00 UTC\"") ||
		!radclient(t, addr, lobbyPacket+"Acct-Status-Type = Stop\nEvent-Timestamp = \"Mar 01 2026 11:01:00 UTC\"\nAcct-Session-Time = 60\n"+
			"Connect-Info = \"CONNECT 11Mbps\"\nAcct-Input-Octets = 5\nAcct-Input-Gigawords = 1\nAcct-Output-Octets = 7\nAcct-Terminate-Cause = User-Request") {
		t.Fatal("not answered")
	}
	list := c.accounting()
	if len(list) != 1 {
		t.Fatalf("%d sessions", len(list))
	}
	got := list[0]
	at := func(minute int) *gate.Time { return gate.NewTime(noon.Add(time.Duration(minute-60) * time.Minute)) }
	want := gate.AcctRecord{RadAcctID: got.RadAcctID, AcctSessionID: "S1", AcctUniqueID: got.AcctUniqueID, Username: "guest",
		NASIPAddress: "10.0.0.1", NASPortID: new("7"), NASPortType: new("Wireless-802.11"), AcctStartTime: *at(0), AcctUpdateTime: at(1),
		AcctStopTime: at(1), AcctSessionTime: 60, AcctAuthentic: new("RADIUS"), AcctInputOctets: 1<<32 + 5, AcctOutputOctets: 7,
		CalledStationID: new("02-00-5E-00-00-01:guests"), CallingStationID: new("02-00-5E-10-00-01"), AcctTerminateCause: new("User-Request"),
		ServiceType: new("Login-User"), FramedProtocol: new("PPP"), ConnectInfoStart: new("CONNECT 54Mbps"),
		ConnectInfoStop: new("CONNECT 11Mbps"), FramedIPAddress: new("10.1.0.9"), OrganizationID: gate.ID{Prefix: gate.OrganizationPrefix, N: 1},
		UserID: &gate.ID{Prefix: gate.UserPrefix, N: user}, LocationName: new("Lobby"), NASIdentifier: new("gw1"), Klass: new("0x00ff"),
		AccessPointMACAddr: new("02-00-5E-00-00-01"), SSID: new("guests")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestRADIUSSessionsWithoutEnd are those of NASes that say -1 for what they do not know: nobody was online for 136 years.
func TestRADIUSSessionsWithoutEnd(t *testing.T) {
	c := newCentre(t, withSecrets(t))
	addr := c.listens()
	if !radclient(t, addr, lobbyPacket+"Acct-Status-Type = Start\nEvent-Timestamp = \"Mar 01 2026 11:00:00 UTC\"") ||
		!radclient(t, addr, lobbyPacket+"Acct-Status-Type = Stop\nEvent-Timestamp = \"Mar 01 2026 11:01:00 UTC\"\nAcct-Session-Time = 4294967295") {
		t.Fatal("not answered")
	}
	list := c.accounting()
	if len(list) != 1 || list[0].AcctSessionTime != 60 {
		t.Errorf("sessions %+v", list)
	}
}

// TestRADIUSReplayAfterStop is what FreeRADIUS 3.2.1 gets wrong in 100 of 100 sessions: Start and Interim-Update that come again
// after the Stop.
func TestRADIUSReplayAfterStop(t *testing.T) {
	c := newCentre(t, withSecrets(t))
	addr := c.listens()
	var starts, interims, stops []string
	for n := range 100 {
		p := fmt.Sprintf("User-Name = u%d\nAcct-Session-Id = S%d\nNAS-IP-Address = 10.0.0.1\nEvent-Timestamp = \"Mar 01 2026 11:%02d:%%02d UTC\"\n", n, n, n%50)
		starts = append(starts, fmt.Sprintf(p, 1)+"Acct-Status-Type = Start")
		interims = append(interims, fmt.Sprintf(p, 31)+"Acct-Status-Type = Interim-Update\nAcct-Session-Time = 30\nAcct-Input-Octets = 3")
		stops = append(stops, fmt.Sprintf(p, 41)+"Acct-Status-Type = Stop\nAcct-Session-Time = 40\nAcct-Input-Octets = 4")
	}
	for _, packets := range [][]string{starts, interims, stops} {
		if !radclient(t, addr, packets...) {
			t.Fatal("not answered")
		}
	}
	want := c.accounting()
	if !radclient(t, addr, slices.Concat(starts, interims, starts)...) {
		t.Fatal("not answered")
	}
	got := c.accounting()
	if diff := cmp.Diff(want, got); diff != "" || len(got) != 100 {
		t.Errorf("%d sessions, replayed (-before +after):\n%s", len(got), diff)
	}
	for _, a := range got {
		if a.AcctStopTime == nil || a.AcctStopTime.Before(a.AcctStartTime.Time) || a.AcctSessionTime != 40 || a.AcctInputOctets != 4 {
			t.Errorf("%+v", a)
		}
	}
}

// nas sends records and repeats each, unchanged, until it is answered. What it sends and what it hears goes through a bad network.
type nas struct {
	t      *testing.T
	conn   net.Conn
	random *rand.Rand
}

func (n *nas) deliver(identifier byte, a radius.Accounting) {
	packet, err := a.Encode(identifier, nasSecret)
	if err != nil {
		n.t.Error(err)
		return
	}
	b := make([]byte, 4096)
	for range 400 {
		for range n.random.IntN(3) { // lost, once, twice
			if _, err := n.conn.Write(packet); err != nil {
				n.t.Error(err)
				return
			}
		}
		for {
			if err := n.conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
				n.t.Error(err)
				return
			}
			size, err := n.conn.Read(b)
			if err != nil || n.random.IntN(3) == 0 { // nothing, or it is lost
				break
			}
			if radius.VerifyResponse(b[:size], packet, nasSecret) == nil {
				return
			}
		}
	}
	n.t.Error("never answered")
}

// TestRADIUSOverABadNetwork: packets and answers are lost and doubled, NASes repeat until they are answered, and in the end every
// session is there once, with what was said last.
func TestRADIUSOverABadNetwork(t *testing.T) {
	t.Parallel()
	c := newCentre(t, withSecrets(t))
	addr := c.listens()
	const nases, sessions = 8, 12
	var all sync.WaitGroup
	for i := range nases {
		conn, err := net.Dial("udp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		all.Go(func() {
			n := &nas{t: t, conn: conn, random: rand.New(rand.NewPCG(uint64(i), 1))}
			identifier := byte(0)
			for s := range sessions {
				for kind, status := range []string{radius.Start, radius.InterimUpdate, radius.Stop} {
					lasted := time.Duration(kind) * time.Minute
					n.deliver(identifier, radius.Accounting{StatusType: status, SessionID: fmt.Sprint(s), Username: "guest",
						NASIPAddress: netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), EventTime: noon.Add(time.Duration(s)*time.Minute/60 + lasted - time.Hour),
						SessionTime: &lasted, InputOctets: uint64(kind * 1000)})
					identifier++
				}
			}
		})
	}
	all.Wait()
	list := c.accounting()
	if len(list) != nases*sessions {
		t.Errorf("%d sessions, want %d", len(list), nases*sessions)
	}
	for _, a := range list {
		if a.AcctStopTime == nil || a.AcctStopTime.Sub(a.AcctStartTime.Time) != 2*time.Minute || a.AcctSessionTime != 120 || a.AcctInputOctets != 2000 {
			t.Errorf("%+v", a)
		}
	}
}

// TestRADIUSClients: what a token may see and set of them, that the listener follows, and that the secret is nowhere.
func TestRADIUSClients(t *testing.T) {
	c := newCentre(t, withSecrets(t))
	addr := c.listens()
	const path = "/admin/v1/radius_clients/"
	start := "Acct-Status-Type = Start\nAcct-Session-Id = %d\nNAS-Identifier = gw1"
	if !radclient(t, addr, fmt.Sprintf(start, 1)) {
		t.Fatal("not answered")
	}
	var list admin.Page[admin.RADIUSClient]
	reply := c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: path}, &list)
	if len(list.Results) != 1 || *list.Results[0].Network != "127.0.0.1/32" || strings.Contains(reply.text, nasSecret) {
		t.Fatalf("list %s", reply.text)
	}
	one := fmt.Sprintf("%s%d/", path, list.Results[0].ID)
	for _, who := range []string{"acme-west admin", "globex admin"} {
		for _, method := range []string{"GET", "DELETE"} {
			c.want(http.StatusNotFound, ask{who: who, method: method, path: one}, nil)
		}
		c.want(http.StatusNotFound, ask{who: who, method: "PATCH", path: one, body: map[string]any{"name": "mine"}}, nil)
	}
	c.want(http.StatusForbidden, ask{who: "acme staff", method: "GET", path: path}, nil)
	for name, body := range map[string]map[string]any{
		"network": {"name": "x", "network": "127.0.0.300", "secret": nasSecret}, "secret": {"name": "x", "network": "127.0.0.1", "secret": "short"},
		"certificate": {"name": "x", "network": "127.0.0.1", "secret": nasSecret, "certificate": "nas.example"},
		"quirks":      {"name": "x", "network": "127.0.0.1", "secret": nasSecret, "quirks": []string{"none"}},
	} {
		if r := c.want(http.StatusBadRequest, ask{who: "acme admin", method: "POST", path: path, body: body}, nil); !strings.Contains(r.text, name) {
			t.Errorf("%s: %s", name, r.text)
		}
	}
	for field, body := range map[string]map[string]any{"name": {"name": "lobby", "network": "::1", "secret": nasSecret},
		"network": {"name": "x", "network": "127.0.0.1/32", "secret": nasSecret}} {
		if r := c.want(http.StatusConflict, ask{who: "acme admin", method: "POST", path: path, body: body}, nil); !strings.Contains(r.text, field) {
			t.Errorf("%s: %s", field, r.text)
		}
	}
	c.want(http.StatusPreconditionFailed, ask{who: "acme admin", method: "PATCH", path: one, body: map[string]any{"name": "y"}, header: map[string]string{"If-Match": `"7"`}}, nil)
	c.want(http.StatusOK, ask{who: "acme admin", method: "PATCH", path: one, body: map[string]any{"nas_identifier": "another"}}, nil)
	c.eventually("the listener knows that the client is another", func() bool { return !answers(t, addr, "gw1") && answers(t, addr, "another") })
	c.want(http.StatusNoContent, ask{who: "acme admin", method: "DELETE", path: one}, nil)
	c.eventually("the listener knows that the client is gone", func() bool { return !answers(t, addr, "another") })
	if log := c.log.String(); strings.Contains(log, nasSecret) {
		t.Errorf("the secret is in the log:\n%s", log)
	}
}

// answers tells whether a Start with this NAS-Identifier is answered soon.
func answers(t *testing.T, addr, nasIdentifier string) bool {
	t.Helper()
	conn, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	packet, err := new(radius.Accounting{StatusType: radius.Start, SessionID: "x", NASIdentifier: nasIdentifier}).Encode(1, nasSecret)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(packet); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	_, err = conn.Read(make([]byte, 4096))
	return err == nil
}

func (c *centre) eventually(what string, is func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); {
		if time.Now().After(deadline) {
			c.t.Fatalf("it never came that %s", what)
		}
		<-time.After(10 * time.Millisecond)
	}
}
