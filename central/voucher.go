package central

import (
	"encoding/hex"
	"errors"
	"net/http"
	"time"

	"gatehouse/api/admin"
	"gatehouse/central/seal"
	"gatehouse/central/store"
	"gatehouse/sessions"
)

// adminVoucherRoutes are the plans, the vouchers and their batches.
func (s *Server) adminVoucherRoutes() []route {
	return []route{
		{"GET", "/plans/", readers, s.listPlans},
		{"POST", "/plans/", adminsOnly, s.createPlan},
		{"GET", "/plans/{id}/", readers, s.getPlan},
		{"PATCH", "/plans/{id}/", adminsOnly, s.patchPlan},
		{"DELETE", "/plans/{id}/", adminsOnly, s.deletePlan},
		{"GET", "/voucher_batches/", readers, s.listBatches},
		{"POST", "/voucher_batches/", frontDesk, s.createBatch},
		{"GET", "/voucher_batches/{id}/", readers, s.getBatch},
		{"DELETE", "/voucher_batches/{id}/", adminsOnly, s.deleteBatch},
		{"POST", "/voucher_batches/{id}/revoke/", frontDesk, s.revokeBatch},
		{"GET", "/voucher_batches/{id}/export/", frontDesk, s.exportBatch},
		{"GET", "/vouchers/", readers, s.listVouchers},
		{"GET", "/vouchers/{id}/", readers, s.getVoucher},
		{"POST", "/vouchers/{id}/revoke/", frontDesk, s.revokeVoucher},
		{"POST", "/vouchers/{id}/extend/", frontDesk, s.extendVoucher},
	}
}

// NewVouchers makes n codes: as they are printed, and as they are kept. Where secrets is nil they are kept as hashes alone.
func NewVouchers(n int, hashKey []byte, secrets *seal.Key) (codes []string, kept []store.NewVoucher) {
	for range n {
		code := sessions.NewVoucherCode()
		v := store.NewVoucher{Hash: code.Hash(hashKey)}
		if secrets != nil {
			v.Sealed = secrets.Seal(codePurpose(v.Hash[:]), []byte(code))
		}
		codes, kept = append(codes, code.Text()), append(kept, v)
	}
	return codes, kept
}

// OpenCode is the code of a voucher as it is printed. It fails where the voucher was made without a key or with another one.
func OpenCode(v store.Voucher, secrets *seal.Key) (string, error) {
	if v.Sealed == nil || secrets == nil {
		return "", errNoKey
	}
	code, err := secrets.Open(codePurpose(v.Hash()), v.Sealed)
	if err != nil {
		return "", err
	}
	return sessions.VoucherCode(code).Text(), nil
}

var errNoKey = errors.New("the codes were told when they were made and are kept nowhere: the centre had, or has, no key for secrets")

func codePurpose(hash []byte) string { return "voucher " + hex.EncodeToString(hash) }

// showVoucher is a voucher as this token may see it.
func (s *Server) showVoucher(c *call, v store.Voucher) admin.Voucher {
	if c.token.Role == store.RoleReadonly {
		return v.Voucher
	}
	code, err := OpenCode(v, s.cfg.Secrets)
	switch {
	case err == nil:
		v.Code = &code
	case errors.Is(err, seal.ErrOpen):
		s.cfg.Log.Warn("code of voucher not readable", "voucher", v.ID, "err", err)
	}
	return v.Voucher
}

func (s *Server) listVouchers(c *call) (int, any, error) {
	q, err := c.adminQuery("vouchers", "organization", "batch", "plan", "state", "code", "double_redeemed")
	if err != nil {
		return 0, nil, err
	}
	f, ok, err := s.voucherFilter(c, q)
	if err != nil {
		return 0, nil, err
	}
	list, more := []store.Voucher{}, false
	if ok {
		list, more, err = s.cfg.Store.Vouchers(c.Context(), c.token.Scope, f, q.page)
	}
	shown := make([]admin.Voucher, len(list))
	for i, v := range list {
		shown[i] = s.showVoucher(c, v)
	}
	return http.StatusOK, adminPage(q, shown, more, func(v admin.Voucher) store.Position {
		return store.Position{At: v.Created.UnixMicro(), ID: v.ID}
	}), err
}

// voucherFilter is false where nothing can match.
func (s *Server) voucherFilter(c *call, q *cursorQuery) (f store.VoucherFilter, ok bool, err error) {
	f.Organization, ok, err = s.filterOrganization(c, q)
	if err != nil {
		return f, false, err
	}
	errs := make(map[string][]string)
	var noBatch, noPlan bool
	f.Batch, noBatch = q.number(errs, "batch", "")
	f.Plan, noPlan = q.number(errs, "plan", "")
	f.State = sessions.VoucherState(q.filters["state"])
	f.Doubled = q.filters["double_redeemed"] != ""
	if text := q.filters["code"]; text != "" {
		code, err := sessions.ParseVoucherCode(text)
		if err != nil {
			errs["code"] = []string{"This is not a voucher code: mistyped, perhaps."}
		}
		f.Hash = new(code.Hash(s.codeKey))
	}
	if len(errs) > 0 {
		return f, false, invalid(errs)
	}
	return f, ok && !noBatch && !noPlan, nil
}

func (s *Server) getVoucher(c *call) (int, any, error) {
	id, err := c.pathID()
	if err != nil {
		return 0, nil, err
	}
	v, err := s.cfg.Store.Voucher(c.Context(), c.token.Scope, id)
	if err != nil {
		return 0, nil, err
	}
	list, err := s.cfg.Store.VoucherSessions(c.Context(), id)
	return http.StatusOK, admin.VoucherDetail{Voucher: s.showVoucher(c, v), Sessions: list}, err
}

func (s *Server) revokeVoucher(c *call) (int, any, error) {
	id, err := c.pathID()
	if err != nil {
		return 0, nil, err
	}
	now := s.cfg.Clock.Now().UTC()
	v, err := s.cfg.Store.ChangeVoucher(c.Context(), c.token.Scope, id, func(v *store.Voucher) error {
		if v.Revoked == nil {
			v.Revoked = &now
		}
		return nil
	})
	return http.StatusOK, s.showVoucher(c, v), err
}

// What all extensions of a voucher come to at most.
const (
	maxSeconds = 100 * 366 * 24 * 3600
	maxOctets  = 1 << 50
)

// extendVoucher gives more time, more data, or another end.
func (s *Server) extendVoucher(c *call) (int, any, error) {
	id, err := c.pathID()
	if err != nil {
		return 0, nil, err
	}
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	seconds, octets, until := f.whole("seconds"), f.whole("octets"), f.time("valid_until")
	if seconds == nil && octets == nil && until == nil {
		f.wrong("non_field_errors", "Say what to give: seconds, octets or valid_until.")
	}
	if err := f.err(); err != nil {
		return 0, nil, err
	}
	v, err := s.cfg.Store.ChangeVoucher(c.Context(), c.token.Scope, id, func(v *store.Voucher) error {
		return extend(v, seconds, octets, until)
	})
	return http.StatusOK, s.showVoucher(c, v), err
}

func extend(v *store.Voucher, seconds, octets *int64, until *time.Time) error {
	p := v.Terms()
	switch {
	case !p.Extendable:
		return conflict("The plan " + p.Name + " does not allow its vouchers to be extended.")
	case v.Revoked != nil:
		return conflict("The voucher is revoked.")
	case seconds != nil && p.TimeSeconds == nil:
		return invalidField("seconds", "The plan has no bound of time to be extended.")
	case octets != nil && p.DataOctets == nil:
		return invalidField("octets", "The plan has no bound of data to be extended.")
	}
	if seconds != nil {
		v.ExtraSeconds = min(v.ExtraSeconds+*seconds, maxSeconds)
	}
	if octets != nil {
		v.ExtraOctets = min(v.ExtraOctets+*octets, maxOctets)
	}
	if until != nil {
		v.ValidUntil = until
	}
	return nil
}
