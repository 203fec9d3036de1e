package shape_test

import (
	"testing"
	"time"

	"gatehouse/firewall/shape"
	"gatehouse/sessions"
)

// TestCrowd gives 2,000 stations a rate each, and restarts among them.
func TestCrowd(t *testing.T) {
	r := newRig(t, shape.Zone{})
	r.reconcile()
	all := make([]sessions.Grant, 2000)
	for i := range all {
		all[i] = sessions.Grant{Station: sessions.Station{Zone: "guest", MAC: sessions.MAC{2, 0, 0x5e, 0x40, byte(i >> 8), byte(i)}},
			RateUp: 5e6, RateDown: sessions.BitRate(1+i%50) * 1e6}
	}
	timed := func(what string, f func()) time.Duration {
		begun := time.Now()
		f()
		took := time.Since(begun)
		t.Logf("%s: %v", what, took.Round(10*time.Microsecond))
		return took
	}
	last := len(all) - 1
	timed("admitting all but one", func() { r.admit(all[:last]...) })
	timed("admitting one more", func() { r.admit(all[last]) })
	timed("usage", func() { _, _ = r.s.Usage(t.Context()) })
	before := r.run("tc", "class", "show", "dev", "br-guest")
	r.restart()
	if took := timed("reconciling after a restart", func() { r.reconcile(all...) }); took > time.Second {
		t.Errorf("reconciling what is right already took %v", took)
	}
	if after := r.run("tc", "class", "show", "dev", "br-guest"); after != before {
		t.Error("a restart changed the classes")
	}
	timed("changing a rate", func() { all[0].RateDown = 60e6; r.admit(all[0]) })
	timed("cutting one", func() {
		r.do(func() error { _, err := r.s.Cut(t.Context(), all[0].Station); return err })
	})
	timed("cleaning up", func() { r.do(func() error { return r.s.CleanUp(t.Context()) }) })
	if found := r.traces(); found != "" {
		t.Errorf("left behind:\n%s", found)
	}
}
