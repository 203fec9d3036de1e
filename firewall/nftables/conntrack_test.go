package nftables_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"gatehouse/lab"
	"gatehouse/sessions"
)

// A cut takes the connections of its stations out of the kernel's table, in both families, and nobody else's; of few
// stations and of so many that their connections are listed once for all.
func TestCutDeletesConnections(t *testing.T) {
	t.Parallel()
	g := newGate(t, lab.Options{}, guestZone())
	const all = 60
	grants := make([]sessions.Grant, all)
	for i := range grants {
		grants[i] = crowd(i)
	}
	g.admit(grants...)
	marks := map[string]string{}
	for _, m := range regexp.MustCompile(`(\S{17}) (?:timeout \S+ expires \S+ )?: (0x[0-9a-f]+)`).FindAllStringSubmatch(g.nft("list", "map", "inet", "gatehouse", "stations_guest"), -1) {
		marks[m[1]] = m[2]
	}
	if len(marks) != all {
		t.Fatalf("%d marks of %d stations", len(marks), all)
	}
	var script strings.Builder
	connection := func(n int, mark string) {
		fmt.Fprintf(&script, "conntrack -I -p udp -s 192.168.78.%d -d %s --sport 7 --dport %d -t 600 -m %s >/dev/null 2>&1\n", n+1, lab.WebAddr4, 1000+n, mark)
		fmt.Fprintf(&script, "conntrack -I -p udp -s 2001:db8:77::%x -d %s --sport 7 --dport %d -t 600 -m %s >/dev/null 2>&1\n", n+1, lab.WebAddr6, 1000+n, mark)
	}
	for i, grant := range grants {
		connection(i, marks[grant.Station.MAC.String()])
	}
	connection(200, "0") // nobody's
	g.Run(script.String())
	left := func() (ports string) {
		out := g.Run("conntrack -L -f ipv4 -p udp 2>/dev/null; conntrack -L -f ipv6 -p udp 2>/dev/null")
		var found []string
		for n := range 201 {
			if c := strings.Count(out, fmt.Sprintf("sport=7 dport=%d ", 1000+n)); c > 0 {
				found = append(found, fmt.Sprintf("%d*%d", n, c))
			}
		}
		return strings.Join(found, " ")
	}
	want := func(from int) {
		t.Helper()
		var wanted []string
		for n := from; n < all; n++ {
			wanted = append(wanted, fmt.Sprintf("%d*2", n))
		}
		if got, wanted := left(), strings.Join(append(wanted, "200*2"), " "); got != wanted {
			t.Errorf("connections left (station*families): %s\nwant %s", got, wanted)
		}
	}
	want(0)
	cut := func(from, to int) {
		t.Helper()
		stations := make([]sessions.Station, 0, to-from)
		for _, grant := range grants[from:to] {
			stations = append(stations, grant.Station)
		}
		if _, err := g.fw.Cut(t.Context(), stations...); err != nil {
			t.Fatal(err)
		}
		want(to)
	}
	cut(0, 2)
	cut(2, 50)
	if log := g.log.String(); strings.Contains(log, "connections of stations stay") {
		t.Error(log)
	}
}
