package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"gatehouse/sessions"
)

func TestStays(t *testing.T) {
	file := filepath.Join(t.TempDir(), "journal.db")
	j := mustOpen(t, file, Options{})
	noon := wall.Truncate(time.Second)
	day := func(n int) time.Time { return noon.AddDate(0, 0, n) }
	two, down := 2, sessions.BitRate(10e6)
	stay := func(room, name string, from, until int) sessions.Stay {
		return sessions.Stay{Room: room, Guest: sessions.ListedGuest(room, name), From: day(from), Until: day(until),
			Limits: sessions.Limits{SimultaneousUse: &two, BandwidthDown: &down}}
	}
	replace := func(want []string, list ...sessions.Stay) {
		t.Helper()
		touched, err := j.ReplaceStays(t.Context(), list)
		must(t, err)
		equal(t, "touched", want, touched)
	}
	find := func(room, name string, at time.Time) string {
		t.Helper()
		s, err := j.StayOf(t.Context(), []string{"other", sessions.ListedGuest(room, name)}, at)
		if errors.Is(err, sessions.ErrNoAccount) {
			return ""
		}
		must(t, err)
		return sessions.StayName(s.ID)
	}
	replace(nil, stay("214", "Müller", 0, 3), stay("214", "Okonkwo", 0, 3), stay("7", "Garcia", 0, 2), stay("7", "Lee", 2, 5), stay("214", "Müller", 0, 3))
	equal(t, "who is found", []string{"stay#1", "stay#2", "stay#3", "", "stay#4", "", "stay#4"}, []string{
		find("214", "Mueller", day(1)), find("214", "Okonkwo", day(1)), find("7", "Garcia", day(1)), find("7", "Lee", day(1)),
		find("7", "Lee", day(2)), find("214", "Garcia", day(1)), find("7", "Lee", time.Time{})})
	a, err := j.Account(t.Context(), "stay#1")
	must(t, err)
	equal(t, "account", sessions.Account{Source: sessions.SourceLocal, Username: "stay#1", Active: true, Expiration: day(3).Local(),
		Limits: sessions.Limits{SimultaneousUse: &two, BandwidthDown: &down}}, a)

	longer := stay("7", "Garcia", 0, 4)
	replace([]string{"stay#1", "stay#3"}, stay("214", "Okonkwo", 0, 3), longer, stay("7", "Lee", 2, 5), stay("9", "Müller", 0, 3))
	replace(nil, stay("214", "Okonkwo", 0, 3), longer, stay("7", "Lee", 2, 5), stay("9", "Müller", 0, 3))
	equal(t, "after a new list", []string{"", "stay#3", "stay#5"}, []string{find("214", "Müller", day(1)), find("7", "Garcia", day(3)), find("9", "Müller", day(1))})

	n, err := j.ForgetStays(t.Context(), day(4))
	must(t, err)
	all, err := j.Stays(t.Context())
	must(t, err)
	if n != 3 || len(all) != 1 || all[0].Room != "7" || all[0].ID != 4 {
		t.Errorf("%d forgotten, left: %+v", n, all)
	}
	replace([]string{"stay#4"}, stay("1", "New", 4, 6))
	if got := find("1", "New", day(5)); got != "stay#6" {
		t.Errorf("the next stay is %s, want a number that nobody had", got)
	}
	must(t, j.Close())
	for _, name := range []string{file, file + "-wal"} {
		raw, _ := os.ReadFile(name)
		for _, text := range []string{"Müller", "muller", "okonkwo", "garcia"} {
			if bytes.Contains(bytes.ToLower(raw), bytes.ToLower([]byte(text))) {
				t.Errorf("%s has the name %s", name, text)
			}
		}
	}
}

// BenchmarkStayOf is the look-up of a login in a house of 500 guests: of the one who is there, and of one who is not.
func BenchmarkStayOf(b *testing.B) {
	j := newJournal(b, Options{})
	list := make([]sessions.Stay, 500)
	for i := range list {
		room := strconv.Itoa(100 + i)
		list[i] = sessions.Stay{Room: room, Guest: sessions.ListedGuest(room, "Müller"), From: wall, Until: wall.Add(24 * time.Hour)}
	}
	if _, err := j.ReplaceStays(b.Context(), list); err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{"Müller", "Meier"} {
		guests := sessions.TypedGuests("333", name)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := j.StayOf(b.Context(), guests, wall); err != nil && !errors.Is(err, sessions.ErrNoAccount) {
					b.Fatal(err)
				}
			}
		})
	}
}
