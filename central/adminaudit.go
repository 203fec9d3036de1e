package central

import (
	"net/http"

	"gatehouse/api/admin"
	"gatehouse/api/gate"
	"gatehouse/central/store"
)

func (s *Server) adminAuditRoutes() []route {
	return []route{{"GET", "/audit/", adminsOnly, s.listAudit}}
}

func (s *Server) listAudit(c *call) (int, any, error) {
	q, err := c.adminQuery("audit", "user", "object", "object_id", "actor", "from", "to")
	if err != nil {
		return 0, nil, err
	}
	errs := make(map[string][]string)
	f := store.AuditFilter{Object: q.filters["object"], ObjectID: q.filters["object_id"], Actor: q.filters["actor"],
		From: q.moment(errs, "from", false), To: q.moment(errs, "to", true)}
	f.User, f.MatchesNothing = q.number(errs, "user", gate.UserPrefix)
	if len(errs) > 0 {
		return 0, nil, invalid(errs)
	}
	entries, more, err := s.cfg.Store.Audit(c.Context(), c.token.Scope, f, q.page)
	if err != nil {
		return 0, nil, err
	}
	list := make([]admin.AuditEntry, len(entries))
	for i, e := range entries {
		list[i] = admin.AuditEntry{ID: e.ID, Organization: e.Organization, Seq: e.Seq, At: e.At, Actor: e.Actor, Role: e.Role,
			Address: e.Address, Request: e.Request, Action: e.Action, Object: e.Object, ObjectID: e.ObjectID, Changes: e.Changes}
	}
	return http.StatusOK, adminPage(q, list, more, func(e admin.AuditEntry) store.Position {
		return store.Position{At: e.At.UnixMicro(), ID: e.ID}
	}), nil
}
