package journal

import (
	"path/filepath"
	"testing"
	"time"

	"gatehouse/sessions"
)

func TestConsents(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := mustOpen(t, path, Options{})
	st := sessions.Station{Zone: "guest", MAC: sessions.MAC{2, 0, 0x5e, 0x10, 0, 1}}
	first := sessions.Consent{AcctSessionID: "1", At: stamp(1), Station: st, Username: "anna", Method: sessions.MethodClick,
		TermsVersion: "2026-11", TextHash: "aa", Locale: "de"}
	second := first
	second.AcctSessionID, second.Username = "2", "bob"
	written := []sessions.Consent{first, second}
	written[0].Text, written[1].Text = "Be kind.", "Be kind."
	must(t, j.Commit(t.Context(), sessions.Batch{Consents: written}))
	must(t, j.Close())

	j = mustOpen(t, path, Options{})
	all, err := j.Consents(t.Context(), "", 10)
	must(t, err)
	equal(t, "all", []sessions.Consent{second, first}, all)
	annas, err := j.Consents(t.Context(), "anna", 10)
	must(t, err)
	equal(t, "anna's", []sessions.Consent{first}, annas)
	text, ok, err := j.Terms(t.Context(), "aa")
	must(t, err)
	equal(t, "text", "Be kind.", text)
	if _, unknown, err := j.Terms(t.Context(), "bb"); !ok || unknown || err != nil {
		t.Errorf("texts found: %v %v %v", ok, unknown, err)
	}
	must(t, j.Erase(t.Context(), "anna"))
	all, err = j.Consents(t.Context(), "", 10)
	must(t, err)
	equal(t, "after an erasure", []sessions.Consent{second}, all)
}

func TestTrials(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := mustOpen(t, path, Options{})
	use := func(n byte, day string, used time.Duration, data sessions.Bytes) sessions.TrialUse {
		return sessions.TrialUse{Station: sessions.Station{Zone: "guest", MAC: sessions.MAC{2, 0, 0x5e, 0x10, 0, n}}, Day: day, Time: used, Data: data}
	}
	long := use(1, "2026-11-18", time.Minute, 1)
	days := []sessions.TrialUse{use(2, "2026-11-19", time.Minute, 1), use(3, "2026-11-20", time.Minute, 2), use(4, "", time.Minute, 3), use(5, "2026-11-21", 0, 0)}
	must(t, j.Commit(t.Context(), sessions.Batch{Trials: append([]sessions.TrialUse{long}, days...)}))
	days[3].Time = 90 * time.Second
	must(t, j.Commit(t.Context(), sessions.Batch{Trials: days[3:]}))
	must(t, j.Close())

	j = mustOpen(t, path, Options{})
	got, err := j.LoadTrials(t.Context())
	must(t, err)
	equal(t, "trials", days, got)
}
