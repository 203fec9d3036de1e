package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gatehouse/sessions"
)

// Vouchers are the gateway's own, which it has where there is no centre. CreateVouchers returns the batch and the first number of its
// vouchers, which follow on one another, or sessions.ErrManyVouchers; VoucherByCode and VoucherByID may return sessions.ErrNoVoucher.
type Vouchers interface {
	sessions.Vouchers
	CreateVouchers(ctx context.Context, b sessions.VoucherBatch, codes []sessions.VoucherCode) (sessions.VoucherBatch, int64, error)
	VoucherBatches(ctx context.Context) ([]sessions.VoucherBatch, error)
	VouchersOf(ctx context.Context, batch int64) ([]sessions.KnownVoucher, error)
	RevokeVouchers(ctx context.Context, ids []int64) error
}

// VoucherPlan is what a voucher is good for. Absent or zero: no bound, or what the zone says.
type VoucherPlan struct {
	Time          int64             `json:"time,omitempty"`    // seconds online, or from the first use on when Elapsed
	Elapsed       bool              `json:"elapsed,omitempty"` // the time runs on while nobody is online
	Data          sessions.Bytes    `json:"data,omitempty"`    // octets, both directions
	ValidFor      int64             `json:"valid_for,omitempty"`
	ValidUntil    time.Time         `json:"valid_until,omitzero"`
	Zones         []string          `json:"zones,omitempty"` // none: all
	Devices       *int              `json:"devices,omitempty"`
	IdleTimeout   *int64            `json:"idle_timeout,omitempty"` // seconds
	BandwidthUp   *sessions.BitRate `json:"bandwidth_up,omitempty"` // bit/s
	BandwidthDown *sessions.BitRate `json:"bandwidth_down,omitempty"`
}

// VoucherBatch is a print run.
type VoucherBatch struct {
	ID       int64       `json:"id"`
	Note     string      `json:"note"`
	Plan     VoucherPlan `json:"plan"`
	MadeAt   time.Time   `json:"made_at"` // by the clock of then, right or wrong
	Vouchers int         `json:"vouchers"`
	Revoked  int         `json:"revoked"`
	// Codes are in the answer to the creation and nowhere else, the vouchers' numbers beside them.
	Codes []VoucherSlip `json:"codes,omitempty"`
}

// VoucherSlip is a voucher as it is handed out.
type VoucherSlip struct {
	ID   int64  `json:"id"`
	Code string `json:"code"`
}

// Voucher is one as it stands now.
type Voucher struct {
	ID        int64                 `json:"id"`
	Batch     int64                 `json:"batch"`
	State     sessions.VoucherState `json:"state"`
	FirstUsed time.Time             `json:"first_used,omitzero"`
	Expires   time.Time             `json:"expires,omitzero"`
	UsedTime  int64                 `json:"used_time"` // seconds
	UsedData  sessions.Bytes        `json:"used_data"` // octets
}

// CreateVouchersRequest asks for a batch.
type CreateVouchersRequest struct {
	Count int         `json:"count"`
	Note  string      `json:"note,omitempty"`
	Plan  VoucherPlan `json:"plan"`
}

// VouchersRequest names a batch; 0: all.
type VouchersRequest struct {
	Batch int64 `json:"batch"`
}

// RevokeVouchersRequest names vouchers by number or code, or a batch.
type RevokeVouchersRequest struct {
	Which []string `json:"which,omitempty"`
	Batch int64    `json:"batch,omitempty"`
}

// RevokedVouchers are the numbers of vouchers that are revoked now and were not before.
type RevokedVouchers struct {
	Revoked []int64 `json:"revoked"`
}

// maxBatch bounds one write of the journal, which logins wait for.
const maxBatch = 1000

func (s *Server) ownVouchers() error {
	if s.cfg.Vouchers == nil {
		return &Error{Code: CodeConfigured, Message: "this gateway has a centre, and its vouchers are the centre's: make and revoke them there"}
	}
	return nil
}

func (s *Server) vouchersCreate(ctx context.Context, in CreateVouchersRequest) (VoucherBatch, error) {
	if err := s.ownVouchers(); err != nil {
		return VoucherBatch{}, err
	}
	plan, err := s.planOf(in.Plan)
	if err := errors.Join(err, checkNote(in.Note)); err != nil {
		return VoucherBatch{}, err
	}
	if in.Count < 1 || in.Count > maxBatch {
		return VoucherBatch{}, &Error{Code: CodeInvalid, Message: fmt.Sprintf("a batch has 1 to %d vouchers; make more than one", maxBatch)}
	}
	codes := make([]sessions.VoucherCode, in.Count)
	for i := range codes {
		codes[i] = sessions.NewVoucherCode()
	}
	b, first, err := s.cfg.Vouchers.CreateVouchers(ctx, sessions.VoucherBatch{Plan: plan, Note: in.Note, MadeAt: s.cfg.Clock.Now()}, codes)
	if errors.Is(err, sessions.ErrManyVouchers) {
		return VoucherBatch{}, &Error{Code: CodeTooMany, Message: err.Error() + "; revoke batches that nobody needs"}
	}
	if err != nil {
		return VoucherBatch{}, err
	}
	out := batchOf(b)
	for i, c := range codes {
		out.Codes = append(out.Codes, VoucherSlip{ID: first + int64(i), Code: c.Text()})
	}
	s.cfg.Logger.Info("vouchers made by the operator", "batch", b.ID, "count", in.Count)
	return out, nil
}

// planOf checks what an operator asked for.
func (s *Server) planOf(w VoucherPlan) (sessions.Plan, error) {
	limits, err := limitsOf(Account{SimultaneousUse: w.Devices, IdleTimeout: w.IdleTimeout, BandwidthUp: w.BandwidthUp, BandwidthDown: w.BandwidthDown})
	p := sessions.Plan{Time: time.Duration(w.Time) * time.Second, Elapsed: w.Elapsed, Data: w.Data, ValidFor: time.Duration(w.ValidFor) * time.Second,
		ValidUntil: w.ValidUntil, Zones: w.Zones, Limits: limits}
	invalid := func(text string) error { return &Error{Code: CodeInvalid, Message: text} }
	unknown := slices.IndexFunc(w.Zones, func(name string) bool {
		return !slices.ContainsFunc(s.cfg.Zones, func(z Zone) bool { return z.Name == name })
	})
	switch {
	case err != nil:
	case w.Time < 0 || w.Time > maxSeconds || w.ValidFor < 0 || w.ValidFor > maxSeconds:
		err = invalid("a time is above zero and below a hundred years")
	case w.Elapsed && w.Time == 0:
		err = invalid("time that runs from the first use on needs to be said: give the time too")
	case w.Data > sessions.MaxBytes:
		err = invalid("data is not above " + sessions.MaxBytes.String())
	case !w.ValidUntil.IsZero() && !w.ValidUntil.After(s.cfg.Clock.Now()):
		err = invalid("the vouchers would have expired already")
	case unknown >= 0:
		err = invalid(fmt.Sprintf("there is no zone %q", w.Zones[unknown]))
	}
	return p, err
}

func (s *Server) voucherBatches(ctx context.Context, _ none) ([]VoucherBatch, error) {
	if err := s.ownVouchers(); err != nil {
		return nil, err
	}
	all, err := s.cfg.Vouchers.VoucherBatches(ctx)
	out := make([]VoucherBatch, len(all))
	for i, b := range all {
		out[i] = batchOf(b)
	}
	return out, err
}

func (s *Server) vouchersList(ctx context.Context, in VouchersRequest) ([]Voucher, error) {
	if err := s.ownVouchers(); err != nil {
		return nil, err
	}
	known, err := s.vouchersOf(ctx, in.Batch)
	if err != nil {
		return nil, err
	}
	out := make([]Voucher, len(known))
	for i, k := range known {
		v, state, err := s.cfg.VoucherNow(ctx, k)
		if err != nil {
			return nil, err
		}
		out[i] = Voucher{ID: v.ID, Batch: v.Plan.ID, State: state, FirstUsed: v.FirstUsed, Expires: v.Expires(), UsedTime: seconds(v.Used.Time), UsedData: v.Used.Data}
	}
	return out, nil
}

// vouchersOf are those of a batch, which must be there, or all.
func (s *Server) vouchersOf(ctx context.Context, batch int64) ([]sessions.KnownVoucher, error) {
	known, err := s.cfg.Vouchers.VouchersOf(ctx, batch)
	if err == nil && batch != 0 && len(known) == 0 {
		err = &Error{Code: CodeNotFound, Message: fmt.Sprintf("there is no batch %d", batch)}
	}
	return known, err
}

func (s *Server) vouchersRevoke(ctx context.Context, in RevokeVouchersRequest) (RevokedVouchers, error) {
	out := RevokedVouchers{Revoked: []int64{}}
	if err := s.ownVouchers(); err != nil {
		return out, err
	}
	if (in.Batch == 0) == (len(in.Which) == 0) {
		return out, &Error{Code: CodeInvalid, Message: "name vouchers, or one batch"}
	}
	var known []sessions.KnownVoucher
	if in.Batch != 0 {
		all, err := s.vouchersOf(ctx, in.Batch)
		if err != nil {
			return out, err
		}
		known = all
	}
	for _, which := range in.Which {
		k, err := s.findVoucher(ctx, which)
		if err != nil {
			return out, err
		}
		known = append(known, k)
	}
	for _, k := range known {
		if !k.Revoked && !slices.Contains(out.Revoked, k.ID) {
			out.Revoked = append(out.Revoked, k.ID)
		}
	}
	if err := s.cfg.Vouchers.RevokeVouchers(ctx, out.Revoked); err != nil {
		return out, err
	}
	for _, id := range out.Revoked {
		if err := s.cfg.Sessions.AccountChanged(ctx, sessions.VoucherName(id)); err != nil {
			return out, fmt.Errorf("the vouchers are revoked, but ending their sessions: %w", err)
		}
	}
	s.cfg.Logger.Info("vouchers revoked by the operator", "count", len(out.Revoked))
	return out, nil
}

// findVoucher finds one by its number, the name of its sessions, or its code.
func (s *Server) findVoucher(ctx context.Context, which string) (sessions.KnownVoucher, error) {
	k, err := sessions.KnownVoucher{}, sessions.ErrNoVoucher
	if code, notCode := sessions.ParseVoucherCode(which); notCode == nil {
		k, err = s.cfg.Vouchers.VoucherByCode(ctx, code)
	} else if id, ok := sessions.VoucherID(sessions.AnyVoucher + strings.TrimPrefix(which, sessions.AnyVoucher)); ok {
		k, err = s.cfg.Vouchers.VoucherByID(ctx, id)
	}
	if errors.Is(err, sessions.ErrNoVoucher) { // which may be a code, and goes into no log of whoever typed it
		err = &Error{Code: CodeNotFound, Message: "there is no such voucher; \"gatehouse voucher list\" shows their numbers"}
	}
	return k, err
}

func batchOf(b sessions.VoucherBatch) VoucherBatch {
	p := b.Plan
	w := VoucherBatch{ID: b.ID, Note: b.Note, MadeAt: b.MadeAt, Vouchers: b.Vouchers, Revoked: b.Revoked, Plan: VoucherPlan{
		Time: seconds(p.Time), Elapsed: p.Elapsed, Data: p.Data, ValidFor: seconds(p.ValidFor), ValidUntil: p.ValidUntil, Zones: p.Zones,
		Devices: p.Limits.SimultaneousUse, BandwidthUp: p.Limits.BandwidthUp, BandwidthDown: p.Limits.BandwidthDown}}
	if t := p.Limits.IdleTimeout; t != nil {
		w.Plan.IdleTimeout = new(seconds(*t))
	}
	return w
}
