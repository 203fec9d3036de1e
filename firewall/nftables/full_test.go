package nftables_test

import (
	"cmp"
	"errors"
	"slices"
	"testing"

	"gatehouse/firewall/nftables"
	"gatehouse/lab"
	"gatehouse/sessions"
)

func TestFull(t *testing.T) {
	t.Parallel()
	g := newGate(t, lab.Options{}, guestZone())
	const most = 1<<15 - 1 - 512 // the others are those of reaches
	all := make([]sessions.Grant, most)
	for i := range all {
		all[i] = crowd(i)
	}
	if err := g.fw.Admit(t.Context(), append(slices.Clone(all), crowd(most))...); !errors.Is(err, nftables.ErrFull) {
		t.Fatalf("one grant too many: %v", err)
	}
	if readings, err := g.fw.Usage(t.Context()); err != nil || len(readings) != 0 {
		t.Fatalf("all or none, but %d are in: %v", len(readings), err)
	}
	g.admit(all...)
	if err := g.fw.Admit(t.Context(), crowd(most)); !errors.Is(err, nftables.ErrFull) {
		t.Fatalf("one grant too many: %v", err)
	}
	g.restart()
	readings, err := g.fw.Usage(t.Context())
	if err != nil || len(readings) != most {
		t.Fatalf("%d of %d grants are in: %v", len(readings), most, err)
	}
	slices.SortFunc(readings, func(a, b sessions.Reading) int { return cmp.Compare(a.AcctSessionID, b.AcctSessionID) })
	for i, r := range readings {
		if r.AcctSessionID != all[i].AcctSessionID || r.Station != all[i].Station || !r.Live {
			t.Fatalf("grant %d is %+v", i, r)
		}
	}
	if err := g.tryReconcile(all[1:]...); err != nil {
		t.Fatal(err)
	}
	g.admit(crowd(most)) // with the id that was freed
}
