package central

import (
	"net/http"
	"slices"
	"time"

	"gatehouse/api/admin"
	"gatehouse/central/store"
)

const longestSpan = 366 // days of figures in one answer

// operationsRoutes are figures, how long things are kept, and what a person may ask for (GDPR, articles 15 and 17).
func (s *Server) operationsRoutes() []route {
	return []route{
		{"GET", "/persons/{id}/export/", adminsOnly, s.exportPerson},
		{"GET", "/persons/{id}/erase/", adminsOnly, s.getErasure},
		{"POST", "/persons/{id}/erase/", adminsOnly, s.erasePerson},
		{"GET", "/retention/{organization}/", readers, s.getRetention},
		{"PATCH", "/retention/{organization}/", adminsOnly, s.patchRetention},
		{"GET", "/statistics/sessions/", readers, s.sessionStatistics},
		{"GET", "/statistics/traffic/", readers, s.trafficStatistics},
		{"GET", "/statistics/users/", readers, s.userStatistics},
	}
}

// span reads what all statistics have in common: the last 30 days unless from and to say otherwise.
func (s *Server) span(c *call, names ...string) (q *cursorQuery, scope store.Scope, f store.StatisticsFilter, err error) {
	names = append(names, "from", "to", "organization", "exact")
	if q, err = c.adminQuery("statistics", names...); err != nil {
		return q, nil, f, err
	}
	errs := make(map[string][]string)
	const oneDay = 24 * time.Hour
	f.To = q.moment(errs, "to", false)
	if f.To.IsZero() {
		f.To = s.cfg.Clock.Now()
	}
	f.To = f.To.UTC().Add(oneDay - time.Nanosecond).Truncate(oneDay)
	if f.From = q.moment(errs, "from", false).UTC().Truncate(oneDay); q.filters["from"] == "" {
		f.From = f.To.AddDate(0, 0, -30)
	}
	switch days := f.To.Sub(f.From) / oneDay; {
	case len(errs) > 0:
	case f.From.Before(store.FirstTime()) || f.To.After(store.LastTime()):
		errs["from"] = []string{"Nothing is older than " + store.FirstTime().Format(time.DateOnly) + "."}
	case days <= 0:
		errs["to"] = []string{"Must be after from."}
	case days > longestSpan:
		errs["from"] = []string{"At most 366 days can be asked for at once."}
	}
	if len(errs) > 0 {
		return q, nil, f, invalid(errs)
	}
	f.Exact = truth(q.filters["exact"])
	scope = c.token.Scope
	if text := q.filters["organization"]; text != "" {
		id, ok, err := s.organization(c, text)
		if err != nil {
			return q, nil, f, err
		}
		if scope = (store.Scope{id}); !ok {
			scope = store.Scope{0} // of which nothing is
		}
	}
	return q, scope, f, nil
}

func orNotFound(err error) error {
	if err != nil {
		return err
	}
	return notFound()
}

// statistics is the answer with these results.
func statistics[T any](s *Server, c *call, scope store.Scope, f store.StatisticsFilter, list []T) (int, any, error) {
	answer := admin.Statistics[T]{From: f.From, To: f.To, Results: list}
	if list == nil {
		answer.Results = []T{}
	}
	var err error
	if !f.Exact {
		answer.Stale, err = s.cfg.Store.Stale(c.Context(), scope, f)
	}
	return http.StatusOK, answer, err
}

func (s *Server) sessionStatistics(c *call) (int, any, error) {
	q, scope, f, err := s.span(c, "interval")
	if err != nil {
		return 0, nil, err
	}
	errs := make(map[string][]string)
	interval := q.choice(errs, "interval", "hour", "day")
	if len(errs) > 0 {
		return 0, nil, invalid(errs)
	}
	list, err := s.cfg.Store.SessionFigures(c.Context(), scope, f, interval == "day")
	if err != nil {
		return 0, nil, err
	}
	figures := make([]admin.SessionFigure, len(list))
	for i, h := range list {
		figures[i] = admin.SessionFigure(h)
	}
	return statistics(s, c, scope, f, figures)
}

func (s *Server) trafficStatistics(c *call) (int, any, error) {
	q, scope, f, err := s.span(c, "by", "location")
	if err != nil {
		return 0, nil, err
	}
	errs := make(map[string][]string)
	by := q.choice(errs, "by", "day", "location")
	location, nothing := q.number(errs, "location", "loc")
	if len(errs) > 0 {
		return 0, nil, invalid(errs)
	}
	list, err := s.cfg.Store.TrafficFigures(c.Context(), scope, f)
	if err != nil {
		return 0, nil, err
	}
	list = slices.DeleteFunc(list, func(d store.DayFigure) bool { return nothing || location != 0 && d.Location != location })
	var figures []admin.TrafficFigure
	for _, sum := range store.SumTraffic(list, by == "location") {
		t := admin.TrafficFigure{Sessions: sum.Sessions, InputOctets: sum.InputOctets, OutputOctets: sum.OutputOctets}
		if by != "location" {
			t.Time = &sum.Day
		} else if sum.Location != 0 {
			t.LocationID = &sum.Location
		}
		figures = append(figures, t)
	}
	return statistics(s, c, scope, f, figures)
}

func (s *Server) userStatistics(c *call) (int, any, error) {
	_, scope, f, err := s.span(c)
	if err != nil {
		return 0, nil, err
	}
	list, err := s.cfg.Store.UserFigures(c.Context(), scope, f)
	if err != nil {
		return 0, nil, err
	}
	figures := make([]admin.UserFigure, len(list))
	for i, u := range list {
		figures[i] = admin.UserFigure{Time: u.Day, Users: u.Users}
	}
	return statistics(s, c, scope, f, figures)
}

// getRetention tells what an organisation keeps for how long, by the organisation's id or short name.
func (s *Server) getRetention(c *call) (int, any, error) {
	id, ok, err := s.organization(c, c.PathValue("organization"))
	if err != nil || !ok {
		return 0, nil, orNotFound(err)
	}
	list, err := s.cfg.Store.Retention(c.Context(), c.token.Scope, id)
	if err != nil {
		return 0, nil, err
	}
	answer := make(map[string]admin.Retention, len(list))
	for _, r := range list {
		answer[r.Class] = admin.Retention{Days: r.Days, Inherited: r.Inherited}
	}
	return http.StatusOK, answer, nil
}

func (s *Server) patchRetention(c *call) (int, any, error) {
	id, ok, err := s.organization(c, c.PathValue("organization"))
	if err != nil || !ok {
		return 0, nil, orNotFound(err)
	}
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	days := make(map[string]*int64)
	for _, class := range store.RetentionClasses() {
		if f.has(class) {
			days[class] = f.whole(class)
		}
	}
	if err := f.err(); err != nil {
		return 0, nil, err
	}
	if err := s.cfg.Store.SetRetention(c.Context(), c.token.Scope, id, days); err != nil {
		return 0, nil, err
	}
	return s.getRetention(c)
}
