package oldkernel_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"gatehouse/firewall/nftables"
	"gatehouse/lab"
	"gatehouse/sessions"
)

// flowTable is what a router with flow offload has: a flow that has been answered goes past every rule.
const flowTable = `table inet fast {
	flowtable f { hook ingress priority 0; devices = { "wan0", "br-guest" }; }
	chain forward { type filter hook forward priority 0; meta l4proto { tcp, udp } ct state established flow add @f; }
}`

// testOffload cuts sessions whose flows the router's own flow table has taken.
func testOffload(t *testing.T) {
	l := newLab(t)
	fw := firewall(t, l, nftables.Zone{Name: "guest", Interfaces: []string{lab.GuestBridge}, Masquerade: true})
	run(t, l.Gateway, "nft", flowTable)
	for web, family := range map[string]string{lab.WebAddr4: "ipv4", lab.WebAddr6: "ipv6"} {
		s := station(t, l)
		there := sessions.Station{Zone: "guest", MAC: sessions.MAC(s.MAC)}
		if err := fw.Admit(t.Context(), sessions.Grant{Station: there, AcctSessionID: "s1", Timeout: time.Hour}); err != nil {
			t.Fatal(err)
		}
		conn, err := s.Dial(t.Context(), "udp", net.JoinHostPort(web, "7"))
		if err != nil {
			t.Fatal(err)
		}
		err = lab.WaitFor(t.Context(), 5*time.Second, func() error {
			if err := answered(conn); err != nil {
				return err
			}
			out, err := l.Gateway.Run(t.Context(), "conntrack", "-L", "-f", family)
			if err == nil && !strings.Contains(out, "[OFFLOAD]") {
				err = fmt.Errorf("no flow is offloaded:\n%s", out)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fw.Cut(t.Context(), there); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if answered(conn) == nil {
				t.Errorf("%s answers after the cut", web)
			}
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}

// answered sends a datagram and waits for its echo.
func answered(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(lab.Patience(300 * time.Millisecond))); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("x")); err != nil {
		return err
	}
	_, err := conn.Read(make([]byte, 9))
	return err
}
