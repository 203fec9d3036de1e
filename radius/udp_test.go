package radius_test

import (
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gatehouse/lab"
	"gatehouse/radius"
)

// radclient sends packets with FreeRADIUS's own client, where it is installed, and returns what it says; ok when each was
// answered.
func radclient(t *testing.T, addr, kind string, secret radius.Secret, packets ...string) (said string, ok bool) {
	t.Helper()
	_, err := exec.LookPath("radclient")
	lab.Require(t, err)
	cmd := exec.Command("radclient", "-x", "-r", "1", "-t", "1", addr, kind, string(secret))
	cmd.Stdin = strings.NewReader(strings.Join(packets, "\n\n"))
	out, err := cmd.CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return string(out), err == nil
}

const everything = `Acct-Status-Type = Interim-Update
Acct-Session-Id = "S1"
Acct-Multi-Session-Id = "M1"
User-Name = "bob"
NAS-IP-Address = 10.0.0.1
NAS-Identifier = "gw1"
NAS-Port-Id = "br-lan"
NAS-Port = 7
NAS-Port-Type = Wireless-802.11
Service-Type = Login-User
Framed-Protocol = PPP
Connect-Info = "CONNECT 54Mbps 802.11g"
Acct-Authentic = RADIUS
Called-Station-Id = "02-00-5E-00-00-01:guests"
Calling-Station-Id = "02-00-5E-10-00-01"
Framed-IP-Address = 10.1.0.9
Class = 0x61693a3031
Class = "two"
Event-Timestamp = "Mar 01 2026 11:59:00 UTC"
Acct-Delay-Time = 3
Acct-Session-Time = 60
Acct-Input-Octets = 5
Acct-Input-Gigawords = 2
Acct-Output-Octets = 4294967295
Acct-Output-Gigawords = 1
Acct-Input-Packets = 8
Acct-Output-Packets = 9
WISPr-Location-ID = "isocc=ch,network=acme"
WISPr-Location-Name = "Acme, Lobby"
Aruba-Essid-Name = "guests5"
Proxy-State = 0x0102
Proxy-State = 0x03
Message-Authenticator = 0x00`

func TestRadclientIsUnderstood(t *testing.T) {
	t.Parallel()
	r := newRig(t, local()).udp("127.0.0.1:0")
	said, ok := radclient(t, r.addr, "acct", secret, everything)
	if !ok || strings.Index(said, "Proxy-State = 0x0102") > strings.LastIndex(said, "Proxy-State = 0x03") {
		t.Fatalf("radclient: %s", said)
	}
	port, lasted := uint32(7), time.Minute
	want := radius.Accounting{
		StatusType: radius.InterimUpdate, SessionID: "S1", MultiSessionID: "M1", Username: "bob", NASIPAddress: netip.MustParseAddr("10.0.0.1"),
		NASIdentifier: "gw1", NASPort: &port, NASPortID: "br-lan", NASPortType: "Wireless-802.11", ServiceType: "Login-User",
		FramedProtocol: "PPP", ConnectInfo: "CONNECT 54Mbps 802.11g",
		Authentic: "RADIUS", CalledStation: "02-00-5E-00-00-01:guests", CallingStation: "02-00-5E-10-00-01",
		FramedIPAddress: netip.MustParseAddr("10.1.0.9"), Class: []string{"ai:01", "two"}, EventTime: noon.Add(-time.Minute),
		Delay: 3 * time.Second, SessionTime: &lasted, InputOctets: 2<<32 | 5, OutputOctets: 1<<32 | 4294967295, InputPackets: 8,
		OutputPackets: 9, SSID: "guests5", LocationID: "isocc=ch,network=acme", LocationName: "Acme, Lobby",
	}
	kept := r.keeper.kept()
	if len(kept) != 1 {
		t.Fatalf("%d records were kept", len(kept))
	}
	if diff := cmp.Diff(want, kept[0].Accounting, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !kept[0].Received.Equal(noon) || kept[0].Client.Name != "lobby" {
		t.Errorf("received %v from %v", kept[0].Received, kept[0].Client)
	}
	if id := kept[0].Accounting.UniqueID(); id != "45ce8c079965150bba0298c0b0fd603d" { // as FreeRADIUS 3.2.1 made it
		t.Errorf("unique id %s", id)
	}
	for _, status := range []string{"Accounting-On", "Accounting-Off", "Failed"} { // what is of no session is answered too
		if said, ok := radclient(t, r.addr, "acct", secret, "Acct-Status-Type = "+status+"\nAcct-Session-Id = x"); !ok {
			t.Errorf("%s: %s", status, said)
		}
	}
	if said, ok := radclient(t, r.addr, "status", secret, "Message-Authenticator = 0x00"); !ok || !strings.Contains(said, "Accounting-Response") {
		t.Errorf("Status-Server: %s", said)
	}
	if got := r.keeper.kept(); len(got) != 3 { // Failed is kept by nobody
		t.Errorf("%d records were kept", len(got))
	}
}

func TestWhoIsNotAnswered(t *testing.T) {
	t.Parallel()
	r := newRig(t, radius.Client{Name: "other", Network: netip.MustParsePrefix("127.0.0.9/32"), Secret: secret}).udp("127.0.0.1:0")
	start := "Acct-Status-Type = Start\nAcct-Session-Id = S1"
	if said, ok := radclient(t, r.addr, "acct", secret, start); ok {
		t.Errorf("an unknown client: %s", said)
	}
	r.stat("unknown_client", 1)
	r.server.SetClients(radius.NewClients([]radius.Client{local()}))
	for name, packet := range map[string]string{"wrong secret": start, "also with Message-Authenticator": start + "\nMessage-Authenticator = 0x00"} {
		if said, ok := radclient(t, r.addr, "acct", "not the secret", packet); ok {
			t.Errorf("%s: %s", name, said)
		}
	}
	r.stat("bad_authenticator", 2)
	if said, ok := radclient(t, r.addr, "status", "not the secret", "Message-Authenticator = 0x00"); ok {
		t.Errorf("Status-Server with a wrong secret: %s", said)
	}
	r.stat("bad_authenticator", 3)
	if said, ok := radclient(t, r.addr, "auth", secret, "User-Name = bob\nUser-Password = x"); ok {
		t.Errorf("Access-Request: %s", said)
	}
	r.stat("unwanted", 1)
	if got := r.keeper.kept(); len(got) != 0 {
		t.Errorf("kept %v", got)
	}
	if n := strings.Count(r.log.String(), "\n"); n != 3 { // of each kind one, until ten seconds are over
		t.Errorf("%d lines in the log:\n%s", n, r.log)
	}
	if strings.Contains(r.log.String(), string(secret)) {
		t.Errorf("the secret is in the log:\n%s", r.log)
	}
}

// talk sends a packet from one socket and waits for the answer, nil when none comes soon.
func talk(t *testing.T, conn net.Conn, packet []byte, patience time.Duration) []byte {
	t.Helper()
	if _, err := conn.Write(packet); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	n, err := conn.Read(b)
	if err != nil {
		return nil
	}
	return b[:n]
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func encode(t *testing.T, a radius.Accounting, identifier byte, s radius.Secret) []byte {
	t.Helper()
	packet, err := a.Encode(identifier, s)
	if err != nil {
		t.Fatal(err)
	}
	return packet
}

func start(id string) radius.Accounting {
	return radius.Accounting{StatusType: radius.Start, SessionID: id, EventTime: noon}
}

const silence = 200 * time.Millisecond

// TestUnkeptIsUnanswered: while nothing can be kept nothing is answered, and the same packet is kept when it comes again.
func TestUnkeptIsUnanswered(t *testing.T) {
	t.Parallel()
	r := newRig(t, local()).udp("127.0.0.1:0")
	conn, packet := dial(t, r.addr), encode(t, start("S1"), 1, secret)
	r.keeper.setAway(true)
	if answer := talk(t, conn, packet, silence); answer != nil {
		t.Fatalf("answered %x", answer)
	}
	r.stat("not_kept", 1)
	r.keeper.setAway(false)
	answer := talk(t, conn, packet, 10*time.Second)
	if err := radius.VerifyResponse(answer, packet, secret); err != nil {
		t.Fatalf("%v: %x", err, answer)
	}
	answer[4] ^= 1
	if radius.VerifyResponse(answer, packet, secret) == nil || radius.VerifyResponse(nil, packet, secret) == nil {
		t.Error("a forged answer is taken")
	}
}

// TestSentAgain: the same packet is kept once and answered the same, also while it is being kept; after half a minute it is
// new.
func TestSentAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, local())
	r.keeper.wait = make(chan struct{})
	r.udp("127.0.0.1:0")
	conn, packet := dial(t, r.addr), encode(t, start("S1"), 1, secret)
	for range 3 {
		if _, err := conn.Write(packet); err != nil {
			t.Fatal(err)
		}
	}
	r.stat("repeated", 2)
	close(r.keeper.wait)
	r.stat("answered", 1)
	first := talk(t, conn, packet, 10*time.Second)
	second := talk(t, conn, packet, 10*time.Second)
	if diff := cmp.Diff(first, second); diff != "" || first == nil {
		t.Errorf("answers differ:\n%s", diff)
	}
	if kept := r.keeper.kept(); len(kept) != 1 {
		t.Errorf("kept %d times", len(kept))
	}
	changed := encode(t, radius.Accounting{StatusType: radius.Start, SessionID: "S1", EventTime: noon, Delay: time.Second}, 1, secret)
	talk(t, conn, changed, 10*time.Second)
	r.stat("answered", 2)
	r.clock.Advance(time.Minute)
	talk(t, conn, packet, 10*time.Second)
	r.stat("answered", 3)
	if kept := r.keeper.kept(); len(kept) != 3 {
		t.Errorf("kept %d records, want the packet, another one with its identifier, and the packet a minute later", len(kept))
	}
}

// TestAnswersComeFromWhereItWasAsked: a listener on all addresses answers from the one that was asked.
func TestAnswersComeFromWhereItWasAsked(t *testing.T) {
	t.Parallel()
	for _, on := range []string{"0.0.0.0:0", "[::]:0"} {
		r := newRig(t, local(), radius.Client{Name: "six", Network: netip.MustParsePrefix("::1/128"), Secret: secret}).udp(on)
		_, port, err := net.SplitHostPort(r.addr)
		if err != nil {
			t.Fatal(err)
		}
		for i, to := range []string{"127.0.0.1", "127.8.9.10", "::1"} {
			if to == "::1" && on[0] != '[' {
				continue
			}
			packet := encode(t, start("S1"), byte(i), secret)
			if answer := talk(t, dial(t, net.JoinHostPort(to, port)), packet, 10*time.Second); radius.VerifyResponse(answer, packet, secret) != nil {
				t.Errorf("listening on %s, asked at %s: answer %x", on, to, answer)
			}
		}
	}
}

func TestWhoseItIs(t *testing.T) {
	t.Parallel()
	client := func(name, network, nas string, s radius.Secret) radius.Client {
		return radius.Client{Name: name, Network: netip.MustParsePrefix(network), NASIdentifier: nas, Secret: s}
	}
	r := newRig(t, client("anywhere", "0.0.0.0/0", "", "aaaaaaaa"), client("net", "127.0.0.0/8", "", "bbbbbbbb"),
		client("named", "127.0.0.1/32", "gw1", "cccccccc"), client("host", "127.0.0.1/32", "", "cccccccc"),
		client("squatter", "127.0.0.1/32", "gw1", "dddddddd"), client("six", "::/0", "", "aaaaaaaa")).udp("127.0.0.1:0")
	for i, c := range []struct {
		nas  string
		with radius.Secret
		want string
	}{{"gw1", "cccccccc", "named"}, {"gw2", "cccccccc", "host"}, {"", "cccccccc", "host"}, {"gw1", "bbbbbbbb", "net"}, {"gw2", "aaaaaaaa", "anywhere"}} {
		packet := encode(t, radius.Accounting{StatusType: radius.Start, SessionID: fmt.Sprint(i), NASIdentifier: c.nas}, byte(i), c.with)
		if talk(t, dial(t, r.addr), packet, 10*time.Second) == nil {
			t.Fatalf("%+v: no answer", c)
		}
		kept := r.keeper.kept()
		if got := kept[len(kept)-1].Client.Name; got != c.want {
			t.Errorf("%+v is of %s", c, got)
		}
	}
}

func TestMalformedPackets(t *testing.T) {
	t.Parallel()
	r := newRig(t, local()).udp("127.0.0.1:0")
	conn, good := dial(t, r.addr), encode(t, start("S1"), 1, secret)
	long := append([]byte(nil), good...)
	long[2], long[3] = 0xff, 0xff
	for i, packet := range [][]byte{{0}, good[:19], good[:len(good)-1], long, {4, 1, 0, 19, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}} {
		if answer := talk(t, conn, packet, silence); answer != nil {
			t.Errorf("%x: answered %x", packet, answer)
		}
		r.stat("malformed", int64(i+1))
	}
	for i, a := range []radius.Accounting{{StatusType: radius.Start}, {SessionID: "S1"}} { // signed, but not what it must be
		if answer := talk(t, conn, encode(t, a, 2, secret), silence); answer != nil {
			t.Errorf("%+v: answered", a)
		}
		r.stat("malformed", int64(6+i))
	}
	padded := append(append([]byte(nil), good...), "what is beyond the packet is padding"...)
	if talk(t, conn, padded, 10*time.Second) == nil {
		t.Error("a padded packet is not answered")
	}
}
