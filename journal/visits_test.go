package journal

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/sessions"
)

func TestVisits(t *testing.T) {
	j := newJournal(t, Options{KeepVisits: 10})
	st := sessions.Station{Zone: "guest", MAC: sessions.MAC{2, 0, 0x5e, 0x10, 0, 1}}
	at := sessions.Stamp{BootID: "boot", Mono: time.Minute}
	v := sessions.Visit{Code: "K7M2P", Station: st, Events: []sessions.Event{{Kind: sessions.EventSeen, At: at, Last: at, Times: 1}}}
	must(t, j.SaveVisits(t.Context(), []sessions.Visit{v}))
	v.Events = append(v.Events, sessions.Event{Kind: sessions.EventRefused, What: "password", Why: "wrong_credentials", At: at, Last: at, Times: 2})
	must(t, j.SaveVisits(t.Context(), []sessions.Visit{v}))
	for name, find := range map[string]func() (sessions.Visit, error){
		"code":    func() (sessions.Visit, error) { return j.VisitByCode(t.Context(), "K7M2P") },
		"station": func() (sessions.Visit, error) { return j.LastVisit(t.Context(), st) },
	} {
		if got, err := find(); err != nil || cmp.Diff(v, got) != "" {
			t.Errorf("by %s: %v %s", name, err, cmp.Diff(v, got))
		}
	}
	if _, err := j.VisitByCode(t.Context(), "22222"); !errors.Is(err, sessions.ErrNoVisit) {
		t.Errorf("unknown code: %v", err)
	}
	for i := range 30 {
		must(t, j.SaveVisits(t.Context(), []sessions.Visit{{Code: fmt.Sprint(i), Station: sessions.Station{Zone: "guest", MAC: sessions.MAC{2, byte(i)}}}}))
	}
	must(t, j.Tidy(t.Context()))
	if _, err := j.VisitByCode(t.Context(), "K7M2P"); !errors.Is(err, sessions.ErrNoVisit) {
		t.Errorf("the oldest of more than are kept: %v", err)
	}
	if _, err := j.VisitByCode(t.Context(), "20"); err != nil {
		t.Errorf("one of the ten last: %v", err)
	}
}
