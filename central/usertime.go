package central

import (
	"net/http"
	"strconv"
	"time"

	"gatehouse/api/admin"
	"gatehouse/central/store"
)

func (s *Server) adminTimeRoutes() []route {
	return []route{
		{"GET", "/accounts/{id}/time/", readers, s.listTime},
		{"POST", "/accounts/{id}/time/", frontDesk, s.giveTime},
	}
}

func (s *Server) listTime(c *call) (int, any, error) {
	id, err := c.pathID()
	if err != nil {
		return 0, nil, err
	}
	q, err := c.adminQuery("time")
	if err != nil {
		return 0, nil, err
	}
	list, more, left, err := s.cfg.Store.TimeLedger(c.Context(), c.token.Scope, id, q.page)
	if err != nil {
		return 0, nil, err
	}
	page := adminPage(q, convert(list, timeEntry), more, func(e admin.TimeEntry) store.Position {
		return store.Position{At: e.At.UnixMicro(), ID: e.ID}
	})
	return http.StatusOK, admin.TimeLedger{Balance: left, Page: page}, nil
}

func timeEntry(e store.TimeEntry) admin.TimeEntry {
	return admin.TimeEntry{ID: e.ID, Kind: string(e.Kind), Seconds: e.Seconds, At: e.At, Expires: e.Expires, GrantID: nonZero(e.GrantID),
		SessionID: nonZero(e.SessionID), Reason: e.Reason, Reference: e.Reference, Actor: e.Actor}
}

func nonZero(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}

// giveTime grants time, or gives spent time back.
func (s *Server) giveTime(c *call) (int, any, error) {
	id, err := c.pathID()
	if err != nil {
		return 0, nil, err
	}
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	e := store.TimeEntry{UserID: id, Kind: store.TimeKind(*f.text("kind")), Seconds: *f.number("seconds"), Reason: f.text("reason"),
		Reference: f.text("reference"), Actor: "token " + strconv.FormatInt(c.token.ID, 10)}
	if expires := f.moment("expires"); expires != nil {
		e.Expires = new(expires.UTC().Truncate(time.Microsecond))
		switch {
		case e.Kind != store.TimeGrant:
			f.wrong("expires", "Only what is granted expires.")
		case !e.Expires.After(s.cfg.Clock.Now()):
			f.wrong("expires", "Must be in the future.")
		}
	}
	if err := f.err(); err != nil {
		return 0, nil, err
	}
	e, err = s.cfg.Store.AddTime(c.Context(), c.token.Scope, e)
	return http.StatusCreated, timeEntry(e), err
}
