package sessions_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/sessions"
)

// vouchers are what the mirror knows, by code.
type vouchers map[sessions.VoucherCode]sessions.KnownVoucher

func (v vouchers) VoucherByCode(_ context.Context, code sessions.VoucherCode) (sessions.KnownVoucher, error) {
	k, ok := v[code]
	if !ok {
		return k, sessions.ErrNoVoucher
	}
	return k, nil
}

func (v vouchers) VoucherByID(_ context.Context, id int64) (sessions.KnownVoucher, error) {
	for _, k := range v {
		if k.ID == id {
			return k, nil
		}
	}
	return sessions.KnownVoucher{}, sessions.ErrNoVoucher
}

type voucherRig struct {
	*rig
	known vouchers
	code  sessions.VoucherCode
}

// newVoucherRig has a zone with a default session timeout of ten minutes, and voucher 7 of this plan.
func newVoucherRig(t *testing.T, p sessions.Plan) *voucherRig {
	r := &voucherRig{known: vouchers{}, code: sessions.NewVoucherCode()}
	r.known[r.code] = sessions.KnownVoucher{Voucher: sessions.Voucher{ID: 7, Plan: p}}
	z := zone(sessions.Limits{SessionTimeout: ptr(10 * time.Minute)})
	z.Methods = append(z.Methods, sessions.MethodVoucher)
	z.Prolong, z.MaxPause = kind().Prolong, kind().MaxPause
	r.rig = newRig(t, z, func(c *sessions.Config) { c.Vouchers, c.TimeZone = r.known, time.UTC })
	return r
}

func (r *voucherRig) redeem(t *testing.T, st sessions.Station, code string) (sessions.Session, sessions.Reason) {
	t.Helper()
	s, err := r.Login(t.Context(), sessions.LoginRequest{Station: st, Addr: addrA, Method: sessions.MethodVoucher, Code: sessions.Password(code)})
	var refusal *sessions.Refusal
	if errors.As(err, &refusal) {
		return s, refusal.Reason
	}
	if err != nil {
		t.Fatal(err)
	}
	return s, ""
}

func (r *voucherRig) in(t *testing.T, st sessions.Station) sessions.Session {
	t.Helper()
	s, reason := r.redeem(t, st, strings.ToLower(r.code.Text()))
	if reason != "" {
		t.Fatalf("refused: %s", reason)
	}
	return s
}

func (r *voucherRig) refused(t *testing.T, st sessions.Station, want sessions.Reason) {
	t.Helper()
	if _, reason := r.redeem(t, st, string(r.code)); reason != want {
		t.Errorf("refused with %q, want %q", reason, want)
	}
}

// told changes what the centre says of the voucher.
func (r *voucherRig) told(t *testing.T, change func(*sessions.KnownVoucher)) {
	t.Helper()
	k := r.known[r.code]
	change(&k)
	r.known[r.code] = k
	if err := r.AccountChanged(t.Context(), sessions.VoucherName(7)); err != nil {
		t.Fatal(err)
	}
}

func (r *voucherRig) out(t *testing.T, st sessions.Station) sessions.Session {
	t.Helper()
	s, err := r.Logout(t.Context(), st, sessions.UserRequest)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestVoucherRunningTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newVoucherRig(t, sessions.Plan{ID: 3, Time: time.Hour, Limits: sessions.Limits{BandwidthDown: ptr(sessions.BitRate(1e6)), SimultaneousUse: ptr(1)}})
		defer func() { r.stop() }()
		s := r.in(t, stationA)
		if s.Username != "voucher#7" || s.VoucherID != 7 || !s.FirstUse || s.Limits.SessionTimeout != time.Hour || s.Limits.BandwidthDown != 1e6 {
			t.Errorf("session %+v", s)
		}
		r.refused(t, stationB, sessions.RefusedTooMany)
		time.Sleep(20 * time.Minute)
		r.out(t, stationA)
		time.Sleep(5 * time.Hour) // not online: it costs nothing
		s = r.in(t, stationB)
		if s.FirstUse || s.Limits.SessionTimeout != 40*time.Minute {
			t.Errorf("second session %+v", s)
		}
		r.stop()
		r.start(t) // the daemon is restarted: nothing is given back
		time.Sleep(30 * time.Minute)
		r.told(t, func(k *sessions.KnownVoucher) { k.Extra.Time = 10 * time.Minute })
		time.Sleep(15 * time.Minute)
		if !r.kernel.live(stationB) {
			t.Error("the extension did not reach the kernel")
		}
		time.Sleep(5*time.Minute + time.Second)
		synctest.Wait()
		if r.kernel.live(stationB) {
			t.Error("still in after 70 minutes")
		}
		r.refused(t, stationA, sessions.RefusedNothingLeft)
	})
}

// TestVoucherOfTwoDevices: they share what is left, whoever comes and goes.
func TestVoucherOfTwoDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newVoucherRig(t, sessions.Plan{ID: 3, Time: time.Hour, Limits: sessions.Limits{SimultaneousUse: ptr(2)}})
		defer r.stop()
		r.in(t, stationA)
		time.Sleep(20 * time.Minute)
		r.in(t, stationB) // 40 minutes are left, 20 for each
		synctest.Wait()
		time.Sleep(10 * time.Minute)
		r.out(t, stationB) // 20 are left for one
		synctest.Wait()
		time.Sleep(19 * time.Minute)
		if !r.kernel.live(stationA) {
			t.Error("out before its time")
		}
		time.Sleep(time.Minute + 2*time.Second)
		synctest.Wait()
		if r.kernel.live(stationA) {
			t.Error("in beyond its time")
		}
		var spent time.Duration
		for _, rec := range r.disk.recordsOf(sessions.Stop) {
			spent += rec.Session.Used
		}
		if d := spent - time.Hour; d.Abs() > time.Second {
			t.Errorf("spent %s", spent)
		}
		r.refused(t, stationB, sessions.RefusedNothingLeft)
	})
}

func TestVoucherElapsedAndValidity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newVoucherRig(t, sessions.Plan{ID: 3, Time: 2 * time.Hour, Elapsed: true})
		defer r.stop()
		r.in(t, stationA)
		time.Sleep(30 * time.Minute)
		r.out(t, stationA)
		time.Sleep(time.Hour)
		if s := r.in(t, stationA); s.Limits.SessionTimeout != 30*time.Minute {
			t.Errorf("left %s, want 30 minutes", s.Limits.SessionTimeout)
		}
		time.Sleep(31 * time.Minute)
		r.refused(t, stationA, sessions.RefusedExpired)
		// Elsewhere it was used earlier than here, but nobody could know.
		r.told(t, func(k *sessions.KnownVoucher) { k.Plan.Time = 3 * time.Hour })
		r.in(t, stationA)
		r.told(t, func(k *sessions.KnownVoucher) { k.FirstUsed = r.clock.Now().Add(-4 * time.Hour) })
		if r.kernel.live(stationA) {
			t.Error("in though it expired by its first use elsewhere")
		}
	})
}

func TestVoucherData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newVoucherRig(t, sessions.Plan{ID: 3, Data: 100_000})
		defer func() { r.stop() }()
		r.in(t, stationA)
		r.in(t, stationB)
		r.kernel.traffic(stationA, 10_000, 20_000)
		r.out(t, stationA)
		r.in(t, stationA) // the kernel has one quota for both
		r.stop()
		r.start(t)
		r.told(t, func(k *sessions.KnownVoucher) { k.Used.Data = 30_000 })
		if got := r.kernel.hammer(stationB); got != 40_000 {
			t.Errorf("%d octets passed, want 40000", got)
		}
		poll()
		if r.kernel.live(stationA) || r.kernel.live(stationB) {
			t.Error("in though the data is used up")
		}
		r.refused(t, stationA, sessions.RefusedNothingLeft)
		r.told(t, func(k *sessions.KnownVoucher) { k.Extra.Data = 5000 })
		r.in(t, stationA)
		if got := r.kernel.hammer(stationA); got != 5000 {
			t.Errorf("%d octets passed after the extension, want 5000", got)
		}
	})
}

func TestVoucherIsRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newVoucherRig(t, sessions.Plan{ID: 3, Zones: []string{"guests", "pool"}})
		defer r.stop()
		if s := r.in(t, stationA); s.Limits.SessionTimeout != 10*time.Minute {
			t.Errorf("a plan without time has %s, want the zone's", s.Limits.SessionTimeout)
		}
		r.told(t, func(k *sessions.KnownVoucher) { k.Revoked = true })
		if r.kernel.live(stationA) {
			t.Error("still in")
		}
		r.refused(t, stationA, sessions.RefusedInactive)
		r.told(t, func(k *sessions.KnownVoucher) { k.Revoked, k.Plan.Zones = false, []string{"pool"} })
		r.refused(t, stationA, sessions.RefusedElsewhere)
		r.told(t, func(k *sessions.KnownVoucher) { k.Plan.Zones = nil })
		r.in(t, stationA)
		delete(r.known, r.code)
		if err := r.AccountChanged(t.Context(), sessions.AnyVoucher); err != nil {
			t.Fatal(err)
		}
		if r.kernel.live(stationA) {
			t.Error("still in after the voucher was deleted")
		}
		r.refused(t, stationA, sessions.RefusedCode)
	})
}

// TestLostJournal: a journal that knows nothing of a voucher believes what the centre knows of its use here.
func TestLostJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newVoucherRig(t, sessions.Plan{ID: 3, Time: time.Hour})
		defer r.stop()
		r.told(t, func(k *sessions.KnownVoucher) {
			k.Here.Time, k.Used.Time, k.FirstUsed = 20*time.Minute, 10*time.Minute, r.clock.Now().Add(-time.Hour)
		})
		if s := r.in(t, stationA); s.Limits.SessionTimeout != 30*time.Minute || s.FirstUse {
			t.Errorf("session %+v", s)
		}
		time.Sleep(10 * time.Minute)
		r.out(t, stationA)
		r.told(t, func(k *sessions.KnownVoucher) { k.Here.Time = 30 * time.Minute })
		if s := r.in(t, stationA); s.Limits.SessionTimeout != 20*time.Minute {
			t.Errorf("left %s, want 20 minutes", s.Limits.SessionTimeout)
		}
	})
}

// TestVoucherWithoutAClock: where the date is not known, elapsed time is still bounded.
func TestVoucherWithoutAClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newVoucherRig(t, sessions.Plan{ID: 3, Time: time.Hour, Elapsed: true})
		r.stop()
		r.cfg.Believable = r.clock.Now().Add(24 * time.Hour)
		r.start(t)
		defer r.stop()
		if s := r.in(t, stationA); s.Limits.SessionTimeout != time.Hour {
			t.Errorf("first session has %s", s.Limits.SessionTimeout)
		}
		time.Sleep(10 * time.Minute)
		r.out(t, stationA)
		time.Sleep(10 * time.Minute)
		if s := r.in(t, stationA); s.Limits.SessionTimeout != 40*time.Minute {
			t.Errorf("second session has %s", s.Limits.SessionTimeout)
		}
	})
}

func TestGuessedCodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newVoucherRig(t, sessions.Plan{ID: 3})
		defer r.stop()
		for range 200 { // what no voucher can have is no guess
			if _, reason := r.redeem(t, stationA, "2222-2222-222"); reason != sessions.RefusedMistyped {
				t.Fatalf("mistyped: %q", reason)
			}
		}
		if len(r.disk.txs) != 0 {
			t.Errorf("mistyped codes wrote %d lines into the log", len(r.disk.txs))
		}
		tries, devices := 0, 0
		guess := func(device int) bool {
			_, reason := r.redeem(t, sessions.Station{Zone: "guests", MAC: sessions.MAC{2, 1, 1, 1, byte(device >> 8), byte(device)}}, string(sessions.NewVoucherCode()))
			if reason == sessions.RefusedCode {
				tries++
			}
			return reason == sessions.RefusedCode
		}
		guessAll := func() { // by as many devices as it takes: new ones, and then the last ones again
			for guess(devices) {
				devices++
			}
			for d := max(0, devices-30); d < devices; d++ {
				for guess(d) {
				}
			}
		}
		if guessAll(); tries != 100 {
			t.Errorf("%d codes could be guessed at once, want 100", tries)
		}
		before := tries
		for range 24 * 60 { // a day of one per minute and zone: the limit is six
			time.Sleep(time.Minute)
			guessAll()
		}
		if got := tries - before; got > 8640 || got < 8600 {
			t.Errorf("%d codes in a day, decision 0021 reckons with 8640 after the first 100", got)
		}
		if chance := float64(tries) * 100_000 / math.Pow(23, 11); chance > 1e-6 {
			t.Errorf("who guesses all day finds one of 100,000 vouchers with a chance of %.1e", chance)
		}
		for _, tx := range r.disk.txs {
			if strings.Contains(tx.Message+tx.Username, string(r.code)) {
				t.Error("a code is in the transaction log")
			}
		}
	})
}

// Who guesses on and on from a few devices keeps no guest out who has not guessed wrong.
func TestGuessersKeepNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newVoucherRig(t, sessions.Plan{ID: 3})
		defer r.stop()
		r.local["ann"] = sessions.Account{Source: sessions.SourceLocal, Username: "ann", Active: true, PasswordHash: annsHash}
		tooOften := 0
		for range 60 {
			time.Sleep(10 * time.Second)
			for device := range byte(20) {
				st := sessions.Station{Zone: "guests", MAC: sessions.MAC{2, 1, 1, 1, 1, device}}
				_, code := r.redeem(t, st, string(sessions.NewVoucherCode()))
				if _, password := r.password(t, st, "ann", "guess"); code == sessions.RefusedTooOften && password == code {
					tooOften++
				}
			}
		}
		if tooOften < 1000 {
			t.Errorf("only %d of 1200 tries came too often", tooOften)
		}
		r.in(t, stationA)
		if _, reason := r.password(t, stationB, "ann", "secret"); reason != "" {
			t.Errorf("ann is refused: %q", reason)
		}
	})
}

// TestCodeAsUserAndPassword: a page that asks for both takes a code in both, and no log tells it.
func TestCodeAsUserAndPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newVoucherRig(t, sessions.Plan{ID: 3})
		defer r.stop()
		unknown := sessions.NewVoucherCode()
		if _, reason := r.password(t, stationB, unknown.Text(), sessions.Password(unknown)); reason != sessions.RefusedCode {
			t.Errorf("an unknown code: %q", reason)
		}
		if _, reason := r.password(t, stationB, string(r.code), "another"); reason != sessions.RefusedCredentials {
			t.Errorf("another password: %q", reason)
		}
		s, reason := r.password(t, stationA, strings.ToLower(r.code.Text()), sessions.Password(r.code))
		if reason != "" || s.VoucherID != 7 || s.Username != "voucher#7" {
			t.Errorf("session %+v, %q", s, reason)
		}
		for _, tx := range r.disk.txs {
			if text := tx.Message + tx.Username; strings.Contains(text, string(unknown)) || strings.Contains(text, unknown.Text()) {
				t.Errorf("the log has %q", text)
			}
		}
	})
}

func TestVoucherInTheRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newVoucherRig(t, sessions.Plan{ID: 3, Time: time.Hour})
		defer r.stop()
		r.in(t, stationA)
		time.Sleep(time.Minute)
		r.out(t, stationA)
		r.in(t, stationB)
		var got []string
		for _, kind := range []sessions.RecordKind{sessions.Start, sessions.Stop} {
			for _, rec := range r.disk.recordsOf(kind) {
				first := "again"
				if rec.Session.FirstUse {
					first = "first"
				}
				got = append(got, string(kind)+" "+sessions.VoucherName(rec.Session.VoucherID)+" "+first)
			}
		}
		if diff := cmp.Diff([]string{"Start voucher#7 first", "Start voucher#7 again", "Stop voucher#7 first"}, got); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
	})
}

// recordsOf are the records of a kind, in order.
func (d *disk) recordsOf(kind sessions.RecordKind) (list []sessions.AccountingRecord) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.records {
		if r.Kind == kind {
			list = append(list, r)
		}
	}
	return list
}
