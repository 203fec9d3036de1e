package central

import (
	"errors"
	"fmt"
	"net/http"

	"gatehouse/api/admin"
	"gatehouse/central/store"
)

func (s *Server) listBatches(c *call) (int, any, error) {
	q, err := c.adminQuery("voucher_batches", "organization", "plan")
	if err != nil {
		return 0, nil, err
	}
	organization, ok, err := s.filterOrganization(c, q)
	if err != nil {
		return 0, nil, err
	}
	errs := make(map[string][]string)
	plan, nothing := q.number(errs, "plan", "")
	if len(errs) > 0 {
		return 0, nil, invalid(errs)
	}
	list, more := []admin.VoucherBatch{}, false
	if ok && !nothing {
		list, more, err = s.cfg.Store.VoucherBatches(c.Context(), c.token.Scope, organization, plan, q.page)
	}
	return http.StatusOK, adminPage(q, list, more, func(b admin.VoucherBatch) store.Position {
		return store.Position{At: b.Created.UnixMicro(), ID: b.ID}
	}), err
}

// createBatch makes the codes of a print run, of a plan of the organisation that the plan belongs to.
func (s *Server) createBatch(c *call) (int, any, error) {
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	plan, quantity, note := f.whole("plan"), f.whole("quantity"), f.text("note")
	p, err := s.cfg.Store.Plan(c.Context(), c.token.Scope, *plan)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil, invalidField("plan", fmt.Sprintf("There is no plan %d.", *plan))
	}
	if err != nil {
		return 0, nil, err
	}
	codes, kept := NewVouchers(int(*quantity), s.codeKey, s.cfg.Secrets)
	b, err := s.cfg.Store.CreateVouchers(c.Context(), admin.VoucherBatch{Organization: p.Organization, Plan: p.ID, Note: note}, kept)
	var tooMany *store.TooManyError
	if errors.As(err, &tooMany) {
		return 0, nil, conflict(fmt.Sprintf("The organisation has %d vouchers that can still be used, and may have %d: of more of them, "+
			"guessers would find one too easily. Revoke those that nobody needs.", tooMany.Open, tooMany.Most))
	}
	b.Codes = codes
	return http.StatusCreated, b, err
}

func (s *Server) getBatch(c *call) (int, any, error) {
	id, err := c.pathID()
	if err != nil {
		return 0, nil, err
	}
	b, err := s.cfg.Store.VoucherBatch(c.Context(), c.token.Scope, id)
	return http.StatusOK, b, err
}

func (s *Server) deleteBatch(c *call) (int, any, error) {
	id, err := c.pathID()
	if err != nil {
		return 0, nil, err
	}
	err = s.cfg.Store.DeleteBatch(c.Context(), c.token.Scope, id)
	var used *store.InUseError
	if errors.As(err, &used) {
		return 0, nil, conflict("There are " + used.By + ". Revoke the batch first.")
	}
	return http.StatusNoContent, nil, err
}

func (s *Server) revokeBatch(c *call) (int, any, error) {
	id, err := c.pathID()
	if err != nil {
		return 0, nil, err
	}
	n, err := s.cfg.Store.RevokeBatch(c.Context(), c.token.Scope, id)
	return http.StatusOK, admin.Revoked{Revoked: n}, err
}

// exportBatch is a batch as a list or as a sheet for the printer.
func (s *Server) exportBatch(c *call) (int, any, error) {
	id, err := c.pathID()
	if err != nil {
		return 0, nil, err
	}
	format, link := c.FormQuery("format"), c.FormQuery("link")
	b, err := s.cfg.Store.VoucherBatch(c.Context(), c.token.Scope, id)
	if err != nil {
		return 0, nil, err
	}
	list, err := s.cfg.Store.BatchVouchers(c.Context(), c.token.Scope, id)
	if err != nil {
		return 0, nil, err
	}
	x, err := NewExport(b, list, s.cfg.Secrets)
	if err != nil {
		return 0, nil, conflict("The batch cannot be exported: " + err.Error() + ".")
	}
	if format == "csv" {
		return http.StatusOK, file{"text/csv; charset=utf-8", fmt.Sprintf("vouchers-%d.csv", id), x.CSV()}, nil
	}
	sheet, err := x.PDF(c.Context(), link)
	return http.StatusOK, file{"application/pdf", fmt.Sprintf("vouchers-%d.pdf", id), sheet}, err
}
