package gwsync

import (
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/api/edge"
	"gatehouse/sessions"
)

func TestVouchersReachTheMirror(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.run(r.Puller.Run)
		r.pass(7 * time.Second)
		first, until := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2002, 1, 1, 0, 0, 0, 0, time.UTC)
		p := &edge.Plan{ID: 3, Name: "Day", TimeSeconds: new(int64(3600)), DataOctets: new(int64(9)), RateUp: new(int64(0)), Devices: new(int64(2)),
			ValidSeconds: new(int64(60)), ValidUntil: &until, IdleTimeout: new(int64(5)), Zones: []string{"lobby"}, Elapsed: true, Extendable: true}
		v := &edge.Voucher{ID: 7, PlanID: 3, Hash: []byte("0123456789abcdef"), Revoked: true, ValidUntil: &until, ExtraSeconds: 1, ExtraOctets: 2,
			FirstUsed: &first, HereSeconds: 3, HereOctets: 4, ElsewhereSeconds: 5, ElsewhereOctets: 6}
		r.centre.publish("", edge.ChangesAnswer{Cursor: "c1", VoucherKey: []byte("key"), Changes: []edge.Change{
			{Voucher: v}, {Plan: p}, {Voucher: &edge.Voucher{ID: 8, PlanID: 3}}, {DeletedVoucher: 9}}})
		synctest.Wait()
		want(t, "steps", r.mirror.takeSteps(), []string{"3 vouchers", "sweep", "cursor c1"})
		want(t, "changed", r.takeChanged(), []string{"voucher#", "voucher#7", "voucher#8", "voucher#9"})
		want(t, "plan", r.mirror.plans[3], sessions.Plan{ID: 3, Name: "Day", Time: time.Hour, Data: 9, ValidFor: time.Minute, ValidUntil: until,
			Zones: []string{"lobby"}, Elapsed: true, Extendable: true, Limits: sessions.Limits{BandwidthUp: new(sessions.BitRate(0)),
				SimultaneousUse: new(2), IdleTimeout: new(5 * time.Second)}})
		want(t, "voucher", r.mirror.vouchers[7], sessions.KnownVoucher{
			Voucher: sessions.Voucher{ID: 7, Plan: sessions.Plan{ID: 3}, Revoked: true, ValidUntil: until, FirstUsed: first,
				Extra: sessions.Extension{Time: time.Second, Data: 2}, Used: sessions.VoucherUse{Time: 5 * time.Second, Data: 6}},
			Hash: sessions.VoucherHash([]byte("0123456789abcdef")), Here: sessions.VoucherUse{Time: 3 * time.Second, Data: 4}})
		want(t, "key", r.mirror.key, "key")
		r.centre.publish("c1", edge.ChangesAnswer{Cursor: "c2", Changes: []edge.Change{{DeletedVoucher: 7}, {DeletedPlan: 3}}})
		synctest.Wait()
		want(t, "left", len(r.mirror.vouchers)+10*len(r.mirror.plans), 1)
	})
}
