package sessions_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/sessions"
)

// hotel is a list of stays.
type hotel []sessions.Stay

func (h *hotel) StayOf(_ context.Context, guests []string, at time.Time) (sessions.Stay, error) {
	for _, s := range *h {
		if slices.Contains(guests, s.Guest) && !at.Before(s.From) && at.Before(s.Until) {
			return s, nil
		}
	}
	return sessions.Stay{}, sessions.ErrNoAccount
}

type hotelRig struct {
	*rig
	hotel *hotel
}

func newHotelRig(t *testing.T, guests ...sessions.Stay) *hotelRig {
	h := hotel(guests)
	z := zone(sessions.Limits{})
	z.Methods = append(z.Methods, sessions.MethodRoom)
	r := &hotelRig{hotel: &h, rig: newRig(t, z, func(c *sessions.Config) { c.Stays = &h })}
	for _, s := range h {
		r.local[sessions.StayName(s.ID)] = s.Account()
	}
	return r
}

func (r *hotelRig) room(t *testing.T, st sessions.Station, room, name string) (sessions.Session, sessions.Reason) {
	t.Helper()
	s, err := r.Login(t.Context(), sessions.LoginRequest{Station: st, Addr: addrA, Method: sessions.MethodRoom, Room: room, GuestName: sessions.Password(name)})
	var refusal *sessions.Refusal
	if errors.As(err, &refusal) {
		return s, refusal.Reason
	}
	if err != nil {
		t.Fatal(err)
	}
	return s, ""
}

func TestRoomAndName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		mueller := sessions.Stay{ID: 1, Room: "214", Guest: sessions.ListedGuest("214", "Müller-Lüdenscheid, Anna"), From: now.Add(-time.Hour), Until: now.Add(24 * time.Hour),
			Limits: sessions.Limits{SimultaneousUse: ptr(1)}}
		next := sessions.Stay{ID: 2, Room: "214", Guest: sessions.ListedGuest("214", "Lee"), From: now.Add(24 * time.Hour), Until: now.Add(48 * time.Hour)}
		r := newHotelRig(t, mueller, next)
		defer r.stop()
		for _, wrong := range [][2]string{{"214", "Lee"}, {"215", "Müller-Lüdenscheid"}, {"999", "Smith"}, {"214", "Müller"}} {
			if _, reason := r.room(t, sessions.Station{Zone: "guests", MAC: sessions.MAC{9, 9, 9, 9, 9, byte(len(wrong[0] + wrong[1]))}}, wrong[0], wrong[1]); reason != sessions.RefusedCredentials {
				t.Errorf("%q: %q", wrong, reason)
			}
		}
		s, reason := r.room(t, stationA, " 0214 ", "anna LUEDENSCHEID muller")
		if reason != "" || s.Username != "stay#1" || s.Source != sessions.SourceLocal || s.Limits.SessionTimeout != 24*time.Hour {
			t.Fatalf("%+v, %q", s, reason)
		}
		if _, reason := r.password(t, stationB, "stay#1", "x"); reason != sessions.RefusedCredentials {
			t.Errorf("by password: %q", reason)
		}
		if _, reason := r.room(t, stationB, "214", "Mueller Luedenscheid"); reason != sessions.RefusedTooMany {
			t.Errorf("a second device: %q", reason)
		}
		time.Sleep(24*time.Hour + time.Second)
		synctest.Wait()
		if r.kernel.live(stationA) {
			t.Error("in after the check-out")
		}
		if _, reason := r.room(t, stationA, "214", "Müller-Lüdenscheid"); reason != sessions.RefusedCredentials {
			t.Errorf("after the check-out: %q", reason)
		}
		if s, reason := r.room(t, stationB, "214", "lee"); reason != "" || s.Username != "stay#2" {
			t.Errorf("the next guest: %+v, %q", s, reason)
		}
		delete(r.local, "stay#2") // leaves early
		if err := r.AccountChanged(t.Context(), "stay#2"); err != nil {
			t.Fatal(err)
		}
		if r.kernel.live(stationB) {
			t.Error("in though the list has him no more")
		}
		for _, tx := range r.disk.txs {
			if text := strings.ToLower(tx.Message + tx.Username); strings.Contains(text, "214") || strings.Contains(text, "m") && strings.Contains(text, "ller") {
				t.Errorf("the log has %q", text)
			}
		}
	})
}

func TestGuessedNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newHotelRig(t, sessions.Stay{ID: 1, Guest: sessions.ListedGuest("12", "Okonkwo"), From: time.Now(), Until: time.Now().Add(48 * time.Hour)})
		defer r.stop()
		// One device goes on guessing all day.
		tries := 0
		for range 24 * 60 * 6 {
			time.Sleep(10 * time.Second)
			for {
				if _, reason := r.room(t, stationA, "12", "x"); reason != sessions.RefusedCredentials {
					break
				}
				tries++
			}
		}
		if tries < 700 || tries > 730 {
			t.Errorf("one device guessed %d times in a day, decision 0035 reckons with 725", tries)
		}
		if _, reason := r.room(t, stationB, "12", "Okonkwo"); reason != "" {
			t.Errorf("its guesses cost the guest his login: %q", reason)
		}
		r.click(t, stationB)
		// Many devices guess one room, as they would one that is empty.
		for _, room := range []string{"12", "13"} {
			tries, reason := 0, sessions.Reason("")
			for mac := byte(1); reason != sessions.RefusedTooOften; mac++ {
				if _, reason = r.room(t, sessions.Station{Zone: "guests", MAC: sessions.MAC{2, 5, 5, room[1], 0, mac}}, room, "y"); reason == sessions.RefusedCredentials {
					tries++
				}
			}
			if tries > 10 || tries < 5 {
				t.Errorf("room %s: %d guesses at once", room, tries)
			}
			time.Sleep(30 * time.Minute)
		}
	})
}

func TestGuestsAreFolded(t *testing.T) {
	for _, c := range []struct {
		listedRoom, listedName, room, name string
		same                               bool
	}{
		{"214", "Müller", "214", "MUELLER", true},
		{"214", "Mueller", "214", "Muller", true},
		{"214", "Müller", "214", "Mu\u0308ller", true},
		{"214", "Müller, Anna", "214", "Anna Müller", true},
		{"214", "García Márquez", "214", "marquez garcia", true},
		{"214", "García Márquez", "214", "garcía-márquez", true},
		{"214", "García Márquez", "214", "Gabriel Marquez Garcia", true},
		{"214", "García Márquez", "214", "García", false},
		{"214", "van der Berg", "214", "Vanderberg", true},
		{"214", "O'Brien", "214", "O’Brien", true},
		{"214", "O'Brien", "214", "obrien", true},
		{"214", "Łukasiewicz", "214", "lukasiewicz", true},
		{"214", "Ørsted", "214", "Oersted", true},
		{"214", "Åberg", "214", "Aaberg", true},
		{"214", "Strauß", "214", "STRAUSS", true},
		{"214", "İnönü", "214", "inonu", true},
		{"214", "Иванов", "214", "ИВАНОВ", true},
		{"214", "王小明", "214", "王小明", true},
		{"214", "शर्मा", "214", "शर्मा", true},
		{"214", "शर्मा", "214", "शरम", false},
		{"12 A", "Lee", "12a", "lee", true},
		{"007", "Lee", "7", "lee", true},
		{"214", "Lee", "٢١٤", "lee", true},
		{"214", "Lee", "２１４", "lee", true},
		{"214", "Lee", "21", "4 lee", false},
		{"214", "Smith", "214", "Jones", false},
		{"21", "4Smith", "214", "Smith", false},
		{"214", "von und zu Hohenstein Altenburg", "214", "von und zu Hohenstein Altenburg", true},
		{"214", "Altenburg", "214", "Anna Maria Theresia Altenburg", true},
	} {
		if got := slices.Contains(sessions.TypedGuests(c.room, c.name), sessions.ListedGuest(c.listedRoom, c.listedName)); got != c.same {
			t.Errorf("%q in %q typed as %q in %q: %v", c.listedName, c.listedRoom, c.name, c.room, got)
		}
	}
	for _, empty := range [][2]string{{"", "Lee"}, {"214", ""}, {"214", ", Anna"}, {"--", "Lee"}, {"0", "Lee"}, {"214", "12"}} {
		if got := sessions.ListedGuest(empty[0], empty[1]); (got == "") != (empty[0] != "0") {
			t.Errorf("ListedGuest(%q) = %q", empty, got)
		}
	}
}
