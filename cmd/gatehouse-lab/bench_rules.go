package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"gatehouse/firewall/nftables"
	"gatehouse/sessions"
)

// pathKind is what a gateway has for rules.
type pathKind string

const (
	pathDrop       pathKind = "drop"  // all is dropped on arrival: the cost of sending
	pathMasquerade pathKind = "masq"  // conntrack and masquerade, what every router pays
	pathGatehouse  pathKind = "gate"  // gatehouse's default zone
	pathCapped     pathKind = "caps"  // the same, each station with a data cap
	pathPlain      pathKind = "plain" // no rule at all
	pathConntrack  pathKind = "ct"    // conntrack only
	pathLinear     pathKind = "lin"   // masquerade and a pair of rules per station
	pathOpenNDS    pathKind = "nds"   // masquerade and the rules of openNDS
)

// describe says what a kind is beside gatehouse.
func (k pathKind) describe() string {
	switch k {
	case pathCapped:
		return "gatehouse, a data cap each"
	case pathPlain:
		return "plain forwarding"
	case pathConntrack:
		return "conntrack only"
	case pathLinear:
		return "iptables-legacy, a pair per MAC"
	case pathOpenNDS:
		return "openNDS 9.10, its rules"
	}
	return string(k)
}

// translates tells whether the way down leads to the gateway's own address.
func (k pathKind) translates() bool { return k != pathPlain && k != pathConntrack }

const masquerade = `table ip nat { chain post { type nat hook postrouting priority srcnat; oifname "wan0" masquerade; }; }`

func (p *path) rules(ctx context.Context) error {
	gw := p.ns("gw")
	switch p.kind {
	case pathDrop:
		return nft(ctx, gw, `table netdev sink {
 chain a { type filter hook ingress device lan0 priority 0; drop; }
 chain b { type filter hook ingress device wan0 priority 0; drop; }
}`)
	case pathPlain:
		return nil
	case pathConntrack:
		return nft(ctx, gw, "table inet track { chain forward { type filter hook forward priority filter; ct state invalid drop; }; }")
	case pathGatehouse, pathCapped:
		return p.gatehouse(ctx)
	}
	if err := nft(ctx, gw, masquerade); err != nil {
		return err
	}
	switch p.kind {
	case pathLinear:
		return load(ctx, gw, linearRules(p.n), "iptables-legacy-restore")
	case pathOpenNDS:
		return load(ctx, gw, openNDSRules(p.n), "iptables-nft-restore")
	}
	return nil
}

// benchZone is the zone of the paths.
const benchZone = "guests"

// benchGrant is what the default zone gives a station.
func benchGrant(i int) sessions.Grant {
	return sessions.Grant{Station: sessions.Station{Zone: benchZone, MAC: station(i).mac},
		AcctSessionID: fmt.Sprintf("bench%d", i), Timeout: 8 * time.Hour, IdleTimeout: 30 * time.Minute}
}

func benchGrants(from, to int) []sessions.Grant {
	grants := make([]sessions.Grant, 0, to-from)
	for i := from; i < to; i++ {
		grants = append(grants, benchGrant(i))
	}
	return grants
}

func stationsOf(grants []sessions.Grant) []sessions.Station {
	stations := make([]sessions.Station, len(grants))
	for i := range grants {
		stations[i] = grants[i].Station
	}
	return stations
}

// newFirewall opens gatehouse's firewall in the namespace of the calling thread.
func newFirewall(iface string) (*nftables.Firewall, error) {
	return nftables.New(nftables.Config{Logger: slog.New(slog.DiscardHandler),
		Zones: []nftables.Zone{{Name: benchZone, Interfaces: []string{iface}, Masquerade: true}}})
}

// gatehouse starts the firewall, as often as it is called, with all stations admitted.
func (p *path) gatehouse(ctx context.Context) error {
	return p.inGateway(func() (err error) {
		if p.firewall != nil {
			_ = p.firewall.Close()
		}
		if p.firewall, err = newFirewall("lan0"); err != nil {
			return err
		}
		grants := benchGrants(0, p.n)
		for i := range grants {
			if p.kind == pathCapped {
				grants[i].Caps = []sessions.Cap{{Name: grants[i].AcctSessionID, Version: 1, Total: 1 << 40}}
			}
		}
		return p.firewall.Reconcile(ctx, grants)
	})
}

// linearRules are what a portal of the simplest kind loads: for each station a rule for each direction.
func linearRules(n int) string {
	var b strings.Builder
	b.WriteString("*filter\n:INPUT ACCEPT\n:FORWARD DROP\n:OUTPUT ACCEPT\n:up -\n:down -\n-A FORWARD -i lan0 -j up\n-A FORWARD -o lan0 -j down\n")
	for i := range n {
		s := station(i)
		fmt.Fprintf(&b, "-A up -m mac --mac-source %s -j ACCEPT\n-A down -d %s -j ACCEPT\n", s.mac, s.addr)
	}
	b.WriteString("COMMIT")
	return b.String()
}

// openNDSRules are those of openNDS 9.10.0-1 of Debian 12 with n clients, in the daemon's order: four for each client, and
// what leads to them. The daemon itself cannot be asked: it ends at 256 clients (opennds.md c).
func openNDSRules(n int) string {
	var b strings.Builder
	b.WriteString(`*mangle
:PREROUTING ACCEPT
:POSTROUTING ACCEPT
:ndsTRU -
:ndsBLK -
:ndsINC -
:ndsOUT -
-A PREROUTING -i lan0 -s 10.0.0.0/16 -j ndsOUT
-A PREROUTING -i lan0 -s 10.0.0.0/16 -j ndsBLK
-A PREROUTING -i lan0 -s 10.0.0.0/16 -j ndsTRU
-A POSTROUTING -o lan0 -d 10.0.0.0/16 -j ndsINC
`)
	for i := range n {
		s := station(i)
		fmt.Fprintf(&b, "-A ndsOUT -s %s -m mac --mac-source %s -j MARK --or-mark 0x30000\n-A ndsINC -d %[1]s -j MARK --or-mark 0x30000\n-A ndsINC -d %[1]s -j ACCEPT\n", s.addr, s.mac)
	}
	b.WriteString(`COMMIT
*filter
:FORWARD ACCEPT
:ndsNET -
:ndsAUT -
:ndsULR -
:ndsTRU -
-A FORWARD -i lan0 -s 10.0.0.0/16 -j ndsNET
-A ndsNET -m mark --mark 0x10000/0x30000 -j DROP
-A ndsNET -m conntrack --ctstate INVALID -j DROP
-A ndsNET -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
-A ndsNET -m mark --mark 0x20000/0x30000 -j ndsTRU
-A ndsNET -m mark --mark 0x30000/0x30000 -g ndsAUT
-A ndsNET -j REJECT --reject-with icmp-port-unreachable
-A ndsAUT -j ndsULR
-A ndsAUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ndsAUT -d 0.0.0.0/0 -p all -j RETURN
-A ndsAUT -j REJECT --reject-with icmp-port-unreachable
`)
	for i := n - 1; i >= 0; i-- { // each is inserted before the others
		fmt.Fprintf(&b, "-A ndsULR -s %s -j RETURN\n", station(i).addr)
	}
	b.WriteString("-A ndsULR -j RETURN\nCOMMIT")
	return b.String()
}
