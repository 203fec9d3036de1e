package central

import (
	"net/http"

	"gatehouse/api/gate"
	"gatehouse/central/store"
)

func (s *Server) listTransactions(c *call) (int, any, error) {
	q, err := c.cursorQuery("txlog_portal",
		"type", "status", "start_date", "end_date", "user", "page", "access_point", "location", "expand")
	if err != nil {
		return 0, nil, err
	}
	f, err := txFilter(q)
	if err != nil {
		return 0, nil, err
	}
	list, more, err := s.cfg.Store.Transactions(c.Context(), c.token.Scope, f, q.page)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, cursorPage(q, list, more, func(l gate.TxLog) store.Position {
		return store.Position{At: l.DateTime.UnixMicro(), ID: l.ID}
	}), nil
}

func txFilter(q *cursorQuery) (f store.TxFilter, err error) {
	errs := make(map[string][]string)
	var none [4]bool
	f.From, f.To = q.moment(errs, "start_date", false), q.moment(errs, "end_date", true)
	f.User, none[0] = q.number(errs, "user", gate.UserPrefix)
	f.AccessPoint, none[1] = q.number(errs, "access_point", gate.AccessPointPrefix)
	f.Location, none[2] = q.number(errs, "location", gate.LocationPrefix)
	f.Page, none[3] = q.number(errs, "page", "page")
	f.Types, f.Statuses = q.values("type"), q.values("status")
	f.Expand = truth(q.filters["expand"])
	if len(errs) > 0 {
		return f, invalid(errs)
	}
	f.MatchesNothing = none != [4]bool{}
	return f, nil
}
