package sessions_test

import (
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/sessions"
)

// instead has the guest of stationA, who is online, type a voucher.
func (r *voucherRig) instead(t *testing.T, code string) (sessions.Session, sessions.Reason) {
	t.Helper()
	s, err := r.Login(t.Context(), sessions.LoginRequest{Station: stationA, Addr: addrA, Method: sessions.MethodVoucher, Code: sessions.Password(code), Instead: true})
	var refusal *sessions.Refusal
	if errors.As(err, &refusal) {
		return s, refusal.Reason
	}
	if err != nil {
		t.Fatal(err)
	}
	return s, ""
}

// The voucher's session begins where the other ends: no second and no octet is lost or counted twice, the kernel never lets go,
// and what a time balance has left stays.
func TestVoucherInstead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newVoucherRig(t, sessions.Plan{Time: 2 * time.Hour, Data: 10_000})
		defer func() { r.stop() }()
		r.mirror["carl"] = sessions.Account{Source: sessions.SourceCentre, UserID: 7, Username: "carl", CredentialVersion: 1, Active: true,
			Lease: &sessions.Lease{ID: 1, Time: time.Hour, Ends: time.Now().Add(24 * time.Hour)}}
		r.verifiers["carl"] = sessions.Verifier{Username: "carl", Hash: hash(t, "x"), CredentialVersion: 1}
		r.stop()
		r.cfg.Authority = &centre{password: "x", account: r.mirror["carl"], mirror: r.mirror}
		r.cfg.Zones[0].Limits.SessionTimeout = nil
		r.start(t)
		first, reason := r.password(t, stationA, "carl", "x")
		if reason != "" {
			t.Fatal(reason)
		}
		r.kernel.traffic(stationA, 100, 200)
		time.Sleep(20 * time.Minute)
		r.kernel.calls = nil
		second, reason := r.instead(t, r.code.Text())
		if reason != "" || second.AcctSessionID == first.AcctSessionID || second.AcctMultiSessionID != second.AcctSessionID || second.Username != "voucher#7" || !second.FirstUse {
			t.Fatalf("%q, %+v", reason, second)
		}
		if len(r.kernel.calls) != 1 || r.kernel.calls[0] != "admit" || !r.kernel.live(stationA) {
			t.Errorf("the kernel was told %v", r.kernel.calls)
		}
		r.wantEnds(t, "of the voucher", stationA, 2*time.Hour)
		if v := r.View(stationA); v.Session == nil || v.Session.Usage != (sessions.Usage{}) || v.Ended != nil {
			t.Errorf("the view: %+v", v)
		}
		if again, reason := r.instead(t, r.code.Text()); reason != "" || again.AcctSessionID != second.AcctSessionID {
			t.Errorf("a double tap: %q", reason)
		}
		stop := r.disk.recordsOf(sessions.Stop)[0].Session
		if stop.AcctSessionID != first.AcctSessionID || stop.Used != 20*time.Minute || stop.Usage.InputOctets != 100 || stop.Usage.OutputOctets != 200 || stop.TerminateNote != "Went on with a voucher" {
			t.Errorf("the stop: %+v", stop)
		}
		r.kernel.traffic(stationA, 1000, 2000)
		for i := range 2 { // a restart, and one that finds the kernel's tables gone
			r.stop()
			if i > 0 {
				r.kernel.wipe()
			}
			r.start(t)
			time.Sleep(10 * time.Minute)
			if u := r.View(stationA).Session.Usage; u.InputOctets != 1000 || u.OutputOctets != 2000 || !r.kernel.live(stationA) {
				t.Errorf("after a restart: %+v", u)
			}
		}
		r.kernel.traffic(stationA, 10, 20)
		if s := r.out(t, stationA); s.Usage.InputOctets != 1010 || s.Usage.OutputOctets != 2020 || s.Used != 20*time.Minute {
			t.Errorf("the voucher's session: %+v", s)
		}
		if s := r.in(t, stationA); s.Limits.SessionTimeout != 100*time.Minute || s.Data.Left != 0 && s.Data.Left != 6970 {
			t.Errorf("left of the voucher: %v", s.Limits.SessionTimeout)
		}
		r.out(t, stationA)
		if s, reason := r.password(t, stationA, "carl", "x"); reason != "" || s.Limits.SessionTimeout != 40*time.Minute {
			t.Errorf("left of the balance: %v %q", s.Limits.SessionTimeout, reason)
		}
		wantLog(t, r.disk, []string{"Start", "Interim-Update", "Interim-Update", "Stop User-Request", "Start", "Stop User-Request", "Start", "Stop User-Request", "Start"},
			[]string{"ui h200", "uo h200", "ui h200", "uo h200", "ui h200", "uo h200", "ui h200"})
	})
}

// The daemon dies between kernel and journal: the station keeps its connections, its session and its time, and can type the voucher again.
func TestVoucherInsteadAndACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newVoucherRig(t, sessions.Plan{Time: 2 * time.Hour})
		defer func() { r.stop() }()
		r.stop()
		r.cfg.Step = func(point string) {
			if point == "login.handed" {
				runtime.Goexit()
			}
		}
		r.start(t)
		first := r.click(t, stationA) // ten minutes
		r.kernel.traffic(stationA, 1, 2)
		dead := make(chan struct{})
		go func() { defer close(dead); r.instead(t, r.code.Text()) }()
		<-dead
		r.stop()
		r.kernel.traffic(stationA, 10, 20)
		r.cfg.Step = nil
		r.start(t)
		if s := r.View(stationA).Session; s == nil || s.AcctSessionID != first.AcctSessionID || !r.kernel.live(stationA) {
			t.Fatalf("a paid guest is cut, or somebody else: %+v", s)
		}
		second, reason := r.instead(t, r.code.Text())
		if reason != "" || !second.FirstUse {
			t.Fatal(reason)
		}
		if stop := r.disk.recordsOf(sessions.Stop)[0].Session; stop.Usage.InputOctets != 11 || stop.Usage.OutputOctets != 22 {
			t.Errorf("the stop: %+v", stop)
		}
		r.wantEnds(t, "of the voucher", stationA, 2*time.Hour)
	})
}

// A voucher that is no good costs nothing.
func TestVoucherInsteadRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newVoucherRig(t, sessions.Plan{Time: time.Hour, Limits: sessions.Limits{SimultaneousUse: ptr(1)}})
		defer func() { r.stop() }()
		first := r.click(t, stationA)
		other := sessions.NewVoucherCode()
		refused := func(what, code string, want sessions.Reason) {
			t.Helper()
			if _, got := r.instead(t, code); got != want {
				t.Errorf("%s: %q, want %q", what, got, want)
			}
			if s := r.View(stationA).Session; s == nil || s.AcctSessionID != first.AcctSessionID || !r.kernel.live(stationA) {
				t.Errorf("%s: the session is %+v", what, s)
			}
		}
		refused("unknown", other.Text(), sessions.RefusedCode)
		refused("mistyped", "nonsense", sessions.RefusedMistyped)
		r.in(t, stationB)
		refused("in use", r.code.Text(), sessions.RefusedTooMany)
		r.told(t, func(k *sessions.KnownVoucher) {
			k.Plan.Limits.SimultaneousUse, k.Plan.Zones = nil, []string{"elsewhere"}
		})
		refused("elsewhere", r.code.Text(), sessions.RefusedElsewhere)
		r.told(t, func(k *sessions.KnownVoucher) { k.Plan.Zones, k.ValidUntil = nil, r.clock.Now().Add(-time.Hour) })
		refused("expired", r.code.Text(), sessions.RefusedExpired)
		r.told(t, func(k *sessions.KnownVoucher) { k.ValidUntil, k.Used.Time = time.Time{}, time.Hour })
		refused("used up", r.code.Text(), sessions.RefusedNothingLeft)
		r.told(t, func(k *sessions.KnownVoucher) { k.Revoked = true })
		refused("revoked", r.code.Text(), sessions.RefusedInactive)
		for range 8 {
			_, _ = r.instead(t, other.Text())
		}
		refused("guessing", other.Text(), sessions.RefusedTooOften)
		r.told(t, func(k *sessions.KnownVoucher) { k.Revoked, k.Used.Time = false, 0 })
		time.Sleep(5 * time.Minute)
		r.disk.setFull(true)
		if _, err := r.Login(t.Context(), sessions.LoginRequest{Station: stationA, Method: sessions.MethodVoucher, Code: sessions.Password(r.code), Instead: true}); err == nil {
			t.Error("a session that is not written begins")
		}
		r.disk.setFull(false)
		refused("after a full disk", "nonsense", sessions.RefusedMistyped)
		r.wantEnds(t, "of the first", stationA, 5*time.Minute)
		r.kernel.fail = errors.New("the kernel has no caps")
		if _, err := r.Login(t.Context(), sessions.LoginRequest{Station: stationA, Method: sessions.MethodVoucher, Code: sessions.Password(r.code), Instead: true}); err == nil {
			t.Error("a session begins that the kernel does not take")
		}
		refused("after the kernel's no", "nonsense", sessions.RefusedMistyped)
		r.wantEnds(t, "of the first", stationA, 5*time.Minute)
		for _, stop := range r.disk.recordsOf(sessions.Stop) {
			if stop.Session.Station == stationA {
				t.Errorf("stopped: %+v", stop.Session)
			}
		}
	})
}
