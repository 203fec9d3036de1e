package sessions_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/sessions"
)

func reason(err error) sessions.Reason {
	var refusal *sessions.Refusal
	if errors.As(err, &refusal) {
		return refusal.Reason
	}
	if err != nil {
		return sessions.Reason(err.Error())
	}
	return ""
}

func TestSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rememberRig(t)
		defer func() { r.stop() }()
		r.enter(t, station(1), "")
		time.Sleep(time.Minute)
		if _, reason := r.password(t, station(2), "ann", "secret"); reason != "" {
			t.Fatal(reason)
		}
		try := func(password sessions.Password) *sessions.Refusal {
			_, err := r.Login(t.Context(), sessions.LoginRequest{Station: station(3), Addr: addrA, Method: sessions.MethodPassword,
				Credentials: sessions.Credentials{Username: "ann", Password: password}})
			var refusal *sessions.Refusal
			if !errors.As(err, &refusal) {
				t.Fatalf("a third device of two: %v", err)
			}
			return refusal
		}
		if got := try("wrong"); got.Reason != sessions.RefusedCredentials || got.Slot != nil {
			t.Errorf("who is not proven to be ann hears of her devices: %+v", got)
		}
		got := try("secret")
		if got.Reason != sessions.RefusedTooMany || got.Slot == nil || len(got.Slot.Devices) != 2 {
			t.Fatalf("refused: %+v", got)
		}
		first := got.Slot.Devices[0]
		if first.Since != time.Minute || first.Name != "iPhone" || first.Tail != "00:01" || first.Here || got.Slot.Devices[1].Name != "" {
			t.Errorf("devices: %+v", got.Slot.Devices)
		}
		for name, free := range map[string]func() error{
			"another device": func() error {
				_, err := r.FreeSlot(t.Context(), station(4), got.Slot.Ticket, first.ID)
				return err
			},
			"another ticket": func() error { _, err := r.FreeSlot(t.Context(), station(3), "x", first.ID); return err },
		} {
			if got := reason(free()); got != sessions.RefusedTicket {
				t.Errorf("%s: %q", name, got)
			}
		}
		s, err := r.FreeSlot(t.Context(), station(3), got.Slot.Ticket, first.ID)
		if err != nil || s.Username != "ann" || s.Method != sessions.MethodPassword || r.kernel.live(station(1)) || !r.kernel.live(station(2)) || !r.kernel.live(station(3)) {
			t.Fatalf("freed: %v %+v", err, s)
		}
		if again, err := r.FreeSlot(t.Context(), station(3), got.Slot.Ticket, first.ID); err != nil || again.AcctSessionID != s.AcctSessionID {
			t.Errorf("a double tap: %v", err)
		}
		if _, err := r.Logout(t.Context(), station(3), sessions.UserRequest); err != nil {
			t.Fatal(err)
		}
		if _, reason := r.password(t, station(5), "ann", "secret"); reason != "" {
			t.Fatal(reason)
		}
		late := try("secret")
		time.Sleep(6 * time.Minute)
		if _, err := r.FreeSlot(t.Context(), station(3), late.Slot.Ticket, late.Slot.Devices[0].ID); reason(err) != sessions.RefusedTicket {
			t.Errorf("after six minutes: %v", err)
		}
	})
}

func TestDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rememberRig(t)
		defer func() { r.stop() }()
		r.enter(t, station(1), "")
		r.enter(t, station(2), "")
		r.click(t, station(3)) // a stranger
		names := func(st sessions.Station) (all []string) {
			for _, d := range r.Devices(st) {
				all = append(all, d.Tail+" "+d.Name)
			}
			return all
		}
		id := func(st sessions.Station, tail string) string {
			all := r.Devices(st)
			return all[slices.IndexFunc(all, func(d sessions.Device) bool { return d.Tail == tail })].ID
		}
		if got := names(station(1)); len(got) != 2 || got[0] != "00:01 iPhone" || !r.Devices(station(1))[0].Here {
			t.Errorf("ann's: %q", got)
		}
		if got := names(station(3)); len(got) != 1 || got[0] != "00:03 " {
			t.Errorf("the stranger's: %q", got)
		}
		if got := names(station(9)); got != nil {
			t.Errorf("of one who is not online: %q", got)
		}
		other := id(station(1), "00:02")
		for name, err := range map[string]error{
			"log out": r.LogoutDevice(t.Context(), station(3), other, true),
			"name":    r.NameDevice(t.Context(), station(3), other, "mine"),
		} {
			if reason(err) != sessions.RefusedNotLoggedIn {
				t.Errorf("a stranger may %s: %v", name, err)
			}
		}
		if err := r.NameDevice(t.Context(), station(1), other, " Ann’s\x00 tablet "); err != nil {
			t.Fatal(err)
		}
		if got := names(station(1)); got[1] != "00:02 Ann’s tablet" {
			t.Errorf("named: %q", got)
		}
		if err := r.LogoutDevice(t.Context(), station(1), other, false); err != nil || r.kernel.live(station(2)) {
			t.Errorf("logged out: %v", err)
		}
		if got := r.Devices(station(1)); len(got) != 2 || got[1].Online || !got[1].Known {
			t.Errorf("it is not known any more: %+v", got)
		}
		if err := r.LogoutDevice(t.Context(), station(1), id(station(1), "00:01"), true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(13 * time.Hour)
		r.Seen(station(1), addrA)
		synctest.Wait()
		if r.kernel.live(station(1)) {
			t.Error("a device that was forgotten comes in by itself")
		}
	})
}

func TestAddDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rememberRig(t)
		defer func() { r.stop() }()
		r.enter(t, station(1), "")
		r.click(t, station(3))
		tv, later := station(0x10), station(0x11)
		r.Seen(tv, addrA)
		code, left := r.PairingCode(tv)
		if again, _ := r.PairingCode(tv); again != code || left != 10*time.Minute || len(code) != 6 {
			t.Errorf("codes %q %q, good for %v", code, again, left)
		}
		add := func(st sessions.Station, which string) sessions.Reason {
			_, err := r.AddDevice(t.Context(), st, which, "TV")
			return reason(err)
		}
		for _, c := range []struct {
			who   sessions.Station
			which string
			want  sessions.Reason
		}{
			{station(3), code, sessions.RefusedMethod}, {station(9), code, sessions.RefusedNotLoggedIn},
			{station(1), "222222", sessions.RefusedPairing}, {station(1), "", sessions.RefusedPairing},
			{station(1), station(3).MAC.String(), sessions.RefusedDevice}, {station(1), "ff:ff:ff:ff:ff:ff", sessions.RefusedDevice},
			{station(1), " " + string(code[:3]) + "-" + code[3:] + " ", ""}, {station(1), code, sessions.RefusedPairing},
		} {
			if got := add(c.who, c.which); got != c.want {
				t.Errorf("%s adds %q: %q, want %q", c.who, c.which, got, c.want)
			}
		}
		s := r.View(tv).Session
		if s == nil || s.Username != "ann" || s.Method != sessions.MethodMAC || !r.kernel.live(tv) {
			t.Fatalf("the television: %+v", s)
		}
		if got := add(station(1), later.MAC.String()); got != "" { // the third of two, once it comes
			t.Errorf("one that is still to come: %q", got)
		}
		r.Seen(later, addrA)
		synctest.Wait()
		if r.kernel.live(later) {
			t.Error("more devices than the account has slots")
		}
		third := station(0x12)
		r.Seen(third, addrA)
		code, _ = r.PairingCode(third)
		if got := add(station(1), code); got != sessions.RefusedTooMany || r.disk.ruleCount() != 3 {
			t.Errorf("a third device: %q, %d rules", got, r.disk.ruleCount())
		}
		r.stop()
		r.kernel.wipe()
		r.clock.reboot("22222222-2222-3333-4444-555555555555")
		r.start(t)
		r.Seen(station(1), addrA)
		r.Seen(tv, addrA)
		synctest.Wait()
		if !r.kernel.live(tv) {
			t.Error("after a reboot the television is out")
		}
		delete(r.local, "ann")
		if err := r.AccountChanged(context.Background(), "ann"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if r.kernel.live(tv) || r.disk.ruleCount() != 0 {
			t.Error("the television outlives the account")
		}
	})
}

// Who guesses at the codes of televisions waits.
func TestPairingGuesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rememberRig(t)
		defer func() { r.stop() }()
		r.enter(t, station(1), "")
		tv := station(0x10)
		code, _ := r.PairingCode(tv)
		var got sessions.Reason
		for range 9 {
			_, err := r.AddDevice(t.Context(), station(1), "222222", "")
			got = reason(err)
		}
		if got != sessions.RefusedTooOften {
			t.Errorf("the ninth wrong code: %q", got)
		}
		time.Sleep(11 * time.Minute)
		if _, err := r.AddDevice(t.Context(), station(1), code, ""); reason(err) != sessions.RefusedPairing {
			t.Errorf("an old code: %v", err)
		}
	})
}

// A device that an account knows may be online as somebody else: that session is not the account's to end.
func TestDeviceOnlineAsAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rememberRig(t)
		defer func() { r.stop() }()
		r.enter(t, station(1), "")
		if _, reason := r.password(t, station(2), "ann", "secret"); reason != "" { // both places are taken
			t.Fatal(reason)
		}
		stranger := station(9)
		if _, err := r.AddDevice(t.Context(), station(1), stranger.MAC.String(), "mine"); err != nil { // who is still to come
			t.Fatal(err)
		}
		r.click(t, stranger)
		for _, forget := range []bool{false, true} {
			all := r.Devices(station(1))
			i := slices.IndexFunc(all, func(d sessions.Device) bool { return d.Tail == "00:09" })
			if i < 0 || all[i].Online {
				t.Fatalf("devices: %+v", all)
			}
			if err := r.LogoutDevice(t.Context(), station(1), all[i].ID, forget); err != nil {
				t.Fatal(err)
			}
			if !r.kernel.live(stranger) {
				t.Fatal("ann ends a stranger's session")
			}
		}
	})
}
