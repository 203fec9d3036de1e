package nftables_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/lab"
	"gatehouse/sessions"
)

// TestUpgrade replaces the rules and sets of each older version, which testdata has as that version loaded them, while
// stations talk: no packet is lost, no octet uncounted, and sessions end on time.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	for version := 1; version <= 3; version++ {
		t.Run(fmt.Sprintf("from %d", version), func(t *testing.T) { testUpgrade(t, version) })
	}
}

func testUpgrade(t *testing.T, version int) {
	const others, timeout = 300, 3 * time.Second
	g := newGate(t, lab.Options{}, guestZone())
	s, timed := g.station(lab.StationOptions{}), g.station(lab.StationOptions{})
	if err := g.Firewall.CleanUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := g.fw.Close(); err != nil {
		t.Fatal(err)
	}
	all := []sessions.Grant{grant(s, "s1"), grant(timed, "s2")}
	all[0].Timeout, all[1].Timeout = time.Hour, lab.Patience(timeout)
	for i := range others {
		all = append(all, crowd(i))
		all[i+2].IdleTimeout = 0
	}
	rules, err := os.ReadFile(fmt.Sprintf("testdata/schema-%d.nft", version))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "older.nft")
	if err := os.WriteFile(path, []byte(string(rules)+olderGrants(all)), 0o600); err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(all[1].Timeout)
	g.nft("-f", path)
	loaded := time.Since(end.Add(-all[1].Timeout))
	var flows, ending []*traffic
	for _, addr := range web {
		flows = append(flows, g.startTraffic(s, addr, "9000"))
		ending = append(ending, g.startTraffic(timed, addr, "9001"))
	}
	g.wait(200 * time.Millisecond)
	begun := time.Now()
	g.restart()
	if err := g.tryReconcile(all...); err != nil {
		t.Fatal(err)
	}
	t.Logf("took over after %v", time.Since(begun))
	if now := time.Now(); now.After(end) {
		t.Fatalf("the machine is too slow: %v after the end of a session", now.Sub(end))
	}
	g.wait(time.Until(end) + 300*time.Millisecond)
	var up, down uint64
	for _, f := range flows {
		f.end()
		up += f.up.wantLossless(t)
		down += f.down.wantLossless(t)
	}
	for _, f := range ending {
		f.end()
		for _, w := range f.Ways() {
			w.WantCut(t, end, 50*time.Millisecond, 50*time.Millisecond+loaded)
		}
	}
	if r, _ := g.reading("s1"); !r.Live || r.Usage.InputPackets != up || r.Usage.OutputPackets != down {
		t.Errorf("counted %+v; passed %d up, %d down", r, up, down)
	}
	readings, err := g.Firewall.Usage(t.Context())
	if err != nil || len(readings) != len(all) {
		t.Errorf("%d of %d sessions are there: %v", len(readings), len(all), err)
	}
	for i, r := range readings {
		if want := r.AcctSessionID != "s2"; r.Live != want || r.AcctSessionID != "s1" && r.AcctSessionID != "s2" && r.Usage != (sessions.Usage{InputOctets: 1, InputPackets: 1}) {
			t.Errorf("reading %d is %+v", i, r)
		}
	}
	if out := g.nft("list", "chains", "inet"); strings.Contains(out, fmt.Sprintf("schema_%d", version)) {
		t.Error("the old version's mark is still there")
	}
	g.wantCaptive(timed)
	g.wantOnline(s)
}

// olderGrants are the elements of grants as nft reads them, in the sets that every version has.
func olderGrants(grants []sessions.Grant) string {
	var b strings.Builder
	add := func(set, format string, args ...any) {
		fmt.Fprintf(&b, "add element inet gatehouse %s { %s }\n", set, fmt.Sprintf(format, args...))
	}
	for i, g := range grants {
		id := i + 1
		mark, timeout := id&0xff|id>>8&0x3<<14, g.Timeout.Milliseconds()
		add("stations_guest", "%s timeout %dms : 0x%08x", g.Station.MAC, timeout, mark)
		add("sess", "0x%08x timeout %dms", mark, timeout)
		used := ""
		if i > 1 {
			used = "counter packets 1 bytes 1 "
		}
		add("up", "0x%08x %scomment %q", mark, used, g.Station.MAC.String()+" guest "+g.AcctSessionID)
		add("down", "0x%08x", mark)
	}
	return b.String()
}
