package central

import (
	"net/http"
	"strconv"

	"gatehouse/api/gate"
	"gatehouse/central/store"
)

func (s *Server) listAccounting(c *call) (int, any, error) {
	q, err := c.cursorQuery("aaa_accounting",
		"start_date", "end_date", "user", "access_point", "location", "client", "session_status")
	if err != nil {
		return 0, nil, err
	}
	f, err := acctFilter(q)
	if err != nil {
		return 0, nil, err
	}
	list, more, err := s.cfg.Store.Accounting(c.Context(), c.token.Scope, f, q.page)
	if err != nil {
		return 0, nil, err
	}
	for i := range list {
		s.shapeRecord(&list[i])
	}
	return http.StatusOK, cursorPage(q, list, more, func(r gate.AcctRecord) store.Position {
		return store.Position{At: r.AcctStartTime.UnixMicro(), ID: r.RadAcctID}
	}), nil
}

func acctFilter(q *cursorQuery) (f store.AcctFilter, err error) {
	errs := make(map[string][]string)
	var none [4]bool
	f.From, f.To = q.moment(errs, "start_date", false), q.moment(errs, "end_date", true)
	f.User, none[0] = q.number(errs, "user", gate.UserPrefix)
	f.AccessPoint, none[1] = q.number(errs, "access_point", gate.AccessPointPrefix)
	f.Location, none[2] = q.number(errs, "location", gate.LocationPrefix)
	f.Client, none[3] = q.number(errs, "client", gate.ClientPrefix)
	if f.Status = q.choice(errs, "session_status", "all", store.Active, store.Inactive); f.Status == "all" {
		f.Status = ""
	}
	if len(errs) > 0 {
		return f, invalid(errs)
	}
	f.MatchesNothing = none != [4]bool{}
	return f, nil
}

func (s *Server) getAccounting(c *call) (int, any, error) {
	id, err := strconv.ParseInt(c.PathValue("radacctid"), 10, 64)
	if err != nil {
		return 0, nil, notFound()
	}
	r, err := s.cfg.Store.AccountingRecord(c.Context(), c.token.Scope, id)
	s.shapeRecord(&r)
	return http.StatusOK, r, err
}

func (s *Server) shapeRecord(r *gate.AcctRecord) {
	s.shape(&r.OrganizationID, r.UserID, r.UserTransactionID, r.LocationID, r.AccessPointID, r.ClientID)
}
