package gwsync

import (
	"context"
	"time"

	"gatehouse/api/edge"
	"gatehouse/sessions"
)

// putVouchers takes the vouchers of a page together: a print run has thousands, and each write waits for its turn.
func (p *Puller) putVouchers(ctx context.Context, page edge.ChangesAnswer) error {
	var put []sessions.KnownVoucher
	var gone []int64
	for _, c := range page.Changes {
		switch {
		case c.Voucher != nil:
			put = append(put, knownVoucher(c.Voucher))
			p.owe(sessions.VoucherName(c.Voucher.ID))
		case c.DeletedVoucher != 0:
			gone = append(gone, c.DeletedVoucher)
			p.owe(sessions.VoucherName(c.DeletedVoucher))
		}
	}
	if len(put)+len(gone) == 0 {
		return nil
	}
	return p.mirror.PutVouchers(ctx, page.VoucherKey, put, gone)
}

func knownVoucher(v *edge.Voucher) sessions.KnownVoucher {
	k := sessions.KnownVoucher{
		Voucher: sessions.Voucher{
			ID:      v.ID,
			Plan:    sessions.Plan{ID: v.PlanID},
			Revoked: v.Revoked,
			Extra:   sessions.Extension{Time: time.Duration(v.ExtraSeconds) * time.Second, Data: sessions.Bytes(v.ExtraOctets)},
			Used:    voucherUse(v.ElsewhereSeconds, v.ElsewhereOctets),
		},
		Here: voucherUse(v.HereSeconds, v.HereOctets),
	}
	if v.ValidUntil != nil {
		k.ValidUntil = v.ValidUntil.UTC()
	}
	if v.FirstUsed != nil {
		k.FirstUsed = v.FirstUsed.UTC()
	}
	copy(k.Hash[:], v.Hash)
	return k
}

func voucherUse(seconds, octets int64) sessions.VoucherUse {
	return sessions.VoucherUse{Time: time.Duration(seconds) * time.Second, Data: sessions.Bytes(octets)}
}

func plan(p *edge.Plan) sessions.Plan {
	out := sessions.Plan{ID: p.ID, Name: p.Name, Elapsed: p.Elapsed, Zones: p.Zones, Extendable: p.Extendable,
		Time: secondsOf(p.TimeSeconds), ValidFor: secondsOf(p.ValidSeconds)}
	if p.DataOctets != nil {
		out.Data = sessions.Bytes(*p.DataOctets)
	}
	if p.ValidUntil != nil {
		out.ValidUntil = p.ValidUntil.UTC()
	}
	if p.RateUp != nil {
		out.Limits.BandwidthUp = new(sessions.BitRate(*p.RateUp))
	}
	if p.RateDown != nil {
		out.Limits.BandwidthDown = new(sessions.BitRate(*p.RateDown))
	}
	if p.Devices != nil {
		out.Limits.SimultaneousUse = new(int(*p.Devices))
	}
	if p.IdleTimeout != nil {
		out.Limits.IdleTimeout = new(secondsOf(p.IdleTimeout))
	}
	return out
}

func secondsOf(n *int64) time.Duration {
	if n == nil {
		return 0
	}
	return time.Duration(*n) * time.Second
}
