package admin

import (
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/internal/clock"
	"gatehouse/journal"
	"gatehouse/sessions"
)

// roomServer is a gateway five hours west of Greenwich, over a real journal; it is noon in Greenwich.
func roomServer(t *testing.T) (*Server, *gateway, *journal.Journal) {
	t.Helper()
	j, err := journal.Open(t.Context(), filepath.Join(t.TempDir(), "journal.db"), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	g := &gateway{}
	return NewServer(Config{Clock: clock.NewFake(noon, "boot"), Sessions: g, Rooms: j, TimeZone: time.FixedZone("", -5*3600), Logger: slog.New(slog.DiscardHandler)}), g, j
}

func TestRoomImport(t *testing.T) {
	s, g, j := roomServer(t)
	got, err := s.roomsImport(t.Context(), ImportRoomsRequest{CSV: "\ufeffRoom; Name ;from;until;devices;bandwidth_down\r\n" +
		"214;Müller, Anna;2026-11-20;2026-11-23;3;10Mbit\r\n" +
		"007;\"van der Berg\";;2026-11-22 11:00;;\r\n" +
		"8;Left;2026-11-01;2026-11-20;;\r\n"})
	if err != nil || got != (ImportedRooms{Stays: 2}) {
		t.Fatalf("%+v, %v", got, err)
	}
	find := func(room, name string) string {
		t.Helper()
		st, err := j.StayOf(t.Context(), sessions.TypedGuests(room, name), noon)
		if errors.Is(err, sessions.ErrNoAccount) {
			return ""
		}
		if err != nil {
			t.Fatal(err)
		}
		return st.Until.UTC().Format(time.RFC3339) + " " + st.Room
	}
	want := []string{"2026-11-24T05:00:00Z 214", "2026-11-22T16:00:00Z 007", "", ""}
	if d := cmp.Diff(want, []string{find("214", "Mueller"), find("7", "Van der Berg"), find("8", "Left"), find("214", "Berg")}); d != "" {
		t.Errorf("who is found until when (-want +got):\n%s", d)
	}
	list, err := s.rooms(t.Context(), none{})
	if err != nil || len(list) != 2 || list[1].Room != "214" || list[1].Username != "stay#1" {
		t.Errorf("%+v, %v", list, err)
	}
	if got, err := s.roomsImport(t.Context(), ImportRoomsRequest{CSV: "room,name,until\n214,MULLER,2026-11-23\n"}); err != nil || got.Ended != 2 {
		t.Errorf("another list: %+v, %v", got, err)
	}
	if d := cmp.Diff([]string{"stay#1", "stay#2"}, g.changed); d != "" {
		t.Errorf("whose sessions were looked at (-want +got):\n%s", d)
	}
}

func TestRoomImportRefused(t *testing.T) {
	s, g, j := roomServer(t)
	const good = "room,name,until\n1,Lee,2027-01-01\n"
	if _, err := s.roomsImport(t.Context(), ImportRoomsRequest{CSV: good}); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"":                                       "has no head",
		"room,name\n1,Lee\n":                     `lacks the column "until"`,
		"room,name,until,shoe\n":                 `no use for a column "shoe"`,
		"room,name,until\n1,Le\xe9,2027-01-01\n": "not UTF-8",
		"room,name,until\n":                      "--empty",
		"room,name,until\n1,Lee,2020-01-01\n":    "--empty",
		"room,name,from,until,devices,bandwidth_up\n1,,x,2027-01-01,,\n,Lee,2027-01-03,2027-01-02,many,fast\n2,Kim,,,,\n3,Kim\n4,\"Kim": "nothing was changed:\n" +
			"line 2: from is no date; write it as in 2027-01-31 or 2027-01-31 11:00\nline 2: name there are no letters to compare; write the family name\n" +
			"line 3: room write the room, up to 64 octets\nline 3: devices write a number, 0 for no bound\nline 3: bandwidth_up ",
		"room,name,until\n" + strings.Repeat("1,Lee,never\n", 30):              "and 10 more",
		"room,name,until\n" + strings.Repeat("1,Lee,2027-01-01\n", maxStays+1): "up to 5000",
	} {
		_, err := s.roomsImport(t.Context(), ImportRoomsRequest{CSV: text})
		var e *Error
		if !errors.As(err, &e) || e.Code != CodeInvalid || !strings.Contains(e.Message, want) {
			t.Errorf("%.60q: %v", text, err)
		}
	}
	all, err := j.Stays(t.Context())
	if err != nil || len(all) != 1 || len(g.changed) != 0 {
		t.Errorf("after lists that were refused: %+v, sessions looked at %v, %v", all, g.changed, err)
	}
	if got, err := s.roomsImport(t.Context(), ImportRoomsRequest{CSV: "room,name,until\n", Empty: true}); err != nil || got.Ended != 1 {
		t.Errorf("an empty list that is meant: %+v, %v", got, err)
	}
}
