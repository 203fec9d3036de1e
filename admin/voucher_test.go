package admin

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/clock"
	"gatehouse/journal"
	"gatehouse/sessions"
)

// voucherServer answers for a gateway without a centre, over a real journal.
func voucherServer(t *testing.T) (*Server, *gateway) {
	t.Helper()
	j, err := journal.Open(t.Context(), filepath.Join(t.TempDir(), "journal.db"), journal.Options{Standalone: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	g := &gateway{}
	now := func(_ context.Context, k sessions.KnownVoucher) (sessions.Voucher, sessions.VoucherState, error) {
		return k.Voucher, k.State(noon), nil
	}
	return NewServer(Config{Clock: clock.NewFake(noon, "boot"), Sessions: g, Vouchers: j, VoucherNow: now, Logger: slog.New(slog.DiscardHandler),
		Zones: []Zone{{Name: "guest"}}}), g
}

func TestVouchers(t *testing.T) {
	s, g := voucherServer(t)
	two, rate := 2, sessions.BitRate(5e6)
	plan := VoucherPlan{Time: 7200, Elapsed: true, Data: 1e9, ValidFor: 86400, ValidUntil: noon.Add(48 * time.Hour), Zones: []string{"guest"},
		Devices: &two, IdleTimeout: new(int64(600)), BandwidthDown: &rate}
	made, err := s.vouchersCreate(t.Context(), CreateVouchersRequest{Count: 3, Note: "desk", Plan: plan})
	if err != nil || len(made.Codes) != 3 {
		t.Fatalf("%+v, %v", made, err)
	}
	batches, err := s.voucherBatches(t.Context(), none{})
	if err != nil {
		t.Fatal(err)
	}
	codes := made.Codes
	made.Codes = nil
	got, _ := json.Marshal(batches)
	want, _ := json.Marshal([]VoucherBatch{made})
	if string(got) != string(want) {
		t.Errorf("listed as %s, made as %s", got, want)
	}
	number := sessions.VoucherName(codes[1].ID)
	done, err := s.vouchersRevoke(t.Context(), RevokeVouchersRequest{Which: []string{strings.ToLower(codes[0].Code), number, number}})
	if err != nil || len(done.Revoked) != 2 || len(g.changed) != 2 || g.changed[1] != number {
		t.Errorf("revoked %+v, sessions looked at: %v, %v", done, g.changed, err)
	}
	if done, err = s.vouchersRevoke(t.Context(), RevokeVouchersRequest{Batch: made.ID}); err != nil || len(done.Revoked) != 1 {
		t.Errorf("the rest of the batch: %+v, %v", done, err)
	}
	list, err := s.vouchersList(t.Context(), VouchersRequest{Batch: made.ID})
	if err != nil || len(list) != 3 || list[2].State != sessions.VoucherRevoked || !list[2].Expires.Equal(plan.ValidUntil) {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestVouchersRefused(t *testing.T) {
	s, _ := voucherServer(t)
	create := func(in CreateVouchersRequest) error { _, err := s.vouchersCreate(t.Context(), in); return err }
	revoke := func(in RevokeVouchersRequest) error { _, err := s.vouchersRevoke(t.Context(), in); return err }
	_, noBatch := s.vouchersList(t.Context(), VouchersRequest{Batch: 9})
	code := sessions.NewVoucherCode().Text()
	unknown := revoke(RevokeVouchersRequest{Which: []string{code}})
	bad, below := sessions.Bytes(sessions.MaxBytes+1), -1
	for name, c := range map[string]struct {
		err  error
		code string
	}{
		"none":            {create(CreateVouchersRequest{}), CodeInvalid},
		"too many":        {create(CreateVouchersRequest{Count: maxBatch + 1}), CodeInvalid},
		"note of lines":   {create(CreateVouchersRequest{Count: 1, Note: "a\nb"}), CodeInvalid},
		"elapsed":         {create(CreateVouchersRequest{Count: 1, Plan: VoucherPlan{Elapsed: true}}), CodeInvalid},
		"negative time":   {create(CreateVouchersRequest{Count: 1, Plan: VoucherPlan{Time: -1}}), CodeInvalid},
		"over":            {create(CreateVouchersRequest{Count: 1, Plan: VoucherPlan{ValidUntil: noon}}), CodeInvalid},
		"too much data":   {create(CreateVouchersRequest{Count: 1, Plan: VoucherPlan{Data: bad}}), CodeInvalid},
		"no such zone":    {create(CreateVouchersRequest{Count: 1, Plan: VoucherPlan{Zones: []string{"attic"}}}), CodeInvalid},
		"devices":         {create(CreateVouchersRequest{Count: 1, Plan: VoucherPlan{Devices: &below}}), CodeInvalid},
		"no such batch":   {noBatch, CodeNotFound},
		"revoke batch":    {revoke(RevokeVouchersRequest{Batch: 9}), CodeNotFound},
		"revoke what":     {revoke(RevokeVouchersRequest{}), CodeInvalid},
		"unknown voucher": {unknown, CodeNotFound},
		"no number":       {revoke(RevokeVouchersRequest{Which: []string{"seven"}}), CodeNotFound},
	} {
		var e *Error
		if !errors.As(c.err, &e) || e.Code != c.code {
			t.Errorf("%s: %v", name, c.err)
		}
	}
	if strings.Contains(unknown.Error(), code) {
		t.Error("the message has the code")
	}
	s.cfg.Vouchers = nil
	var e *Error
	if err := create(CreateVouchersRequest{Count: 1}); !errors.As(err, &e) || e.Code != CodeConfigured {
		t.Errorf("with a centre: %v", err)
	}
}
