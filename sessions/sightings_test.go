package sessions_test

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/sessions"
)

// TestRandomMACs: sightings are bounded, and what is known of a station that is in does not make room for strangers.
func TestRandomMACs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, zone(sessions.Limits{}))
		defer r.stop()
		r.click(t, stationA)
		r.Seen(stationA, addrA)
		r.Seen(stationB, addrA)
		for i := range uint32(40_000) {
			if i%1000 == 0 {
				time.Sleep(time.Millisecond)
			}
			st := sessions.Station{Zone: stationA.Zone, MAC: sessions.MAC{2, 0xff}}
			binary.BigEndian.PutUint32(st.MAC[2:], i)
			r.Seen(st, netip.Addr{})
		}
		if n := len(r.Stations()); n > 16_384 {
			t.Errorf("%d stations are remembered", n)
		}
		if v := r.View(stationA); len(v.Addrs) != 1 || v.SeenAt == 0 {
			t.Errorf("of a station that is in, this is left: %+v", v)
		}
		if v := r.View(stationB); v.SeenAt != 0 {
			t.Errorf("who was seen longest ago is still there: %+v", v)
		}
	})
}
