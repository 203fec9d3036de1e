package central

import (
	"errors"
	"maps"
	"net/http"
	"strings"
	"time"

	"gatehouse/api/admin"
	"gatehouse/central/store"
)

func (s *Server) listPlans(c *call) (int, any, error) {
	q, err := c.adminQuery("plans", "organization")
	if err != nil {
		return 0, nil, err
	}
	organization, ok, err := s.filterOrganization(c, q)
	if err != nil {
		return 0, nil, err
	}
	list, more := []admin.Plan{}, false
	if ok {
		list, more, err = s.cfg.Store.Plans(c.Context(), c.token.Scope, organization, q.page)
	}
	return http.StatusOK, adminPage(q, list, more, func(p admin.Plan) store.Position {
		return store.Position{At: p.Created.UnixMicro(), ID: p.ID}
	}), err
}

// filterOrganization is the filter of that name: 0 where it is not there; ok is false where nothing can match.
func (s *Server) filterOrganization(c *call, q *cursorQuery) (id int64, ok bool, err error) {
	text := q.filters["organization"]
	if text == "" {
		return 0, true, nil
	}
	return s.organization(c, text)
}

// pathID is the number that the path names.
func (c *call) pathID() (int64, error) {
	id, ok := parseID(c.PathValue("id"), "")
	if !ok || id <= 0 {
		return 0, notFound()
	}
	return id, nil
}

func (s *Server) getPlan(c *call) (int, any, error) {
	id, err := c.pathID()
	if err != nil {
		return 0, nil, err
	}
	p, err := s.cfg.Store.Plan(c.Context(), c.token.Scope, id)
	c.etag(p.Version)
	return http.StatusOK, p, err
}

func (s *Server) createPlan(c *call) (int, any, error) {
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	p := admin.Plan{Organization: c.token.Scope.Own(), TimeMode: admin.TimeRunning, Zones: []string{}}
	organization, err := s.bodyOrganization(c, f)
	if err != nil {
		return 0, nil, err
	}
	if organization != 0 {
		p.Organization = organization
	}
	setPlan(f, &p)
	if err := f.err(); err != nil {
		return 0, nil, err
	}
	p, err = s.cfg.Store.CreatePlan(c.Context(), p)
	c.etag(p.Version)
	return http.StatusCreated, p, planProblem(err)
}

func (s *Server) patchPlan(c *call) (int, any, error) {
	id, err := c.pathID()
	if err != nil {
		return 0, nil, err
	}
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	p, err := s.cfg.Store.ChangePlan(c.Context(), c.token.Scope, id, func(p *admin.Plan) error {
		if err := c.match(p.Version); err != nil {
			return err
		}
		again := &fields{raw: f.raw, errs: maps.Clone(f.errs)} // this may run more than once
		setPlan(again, p)
		return again.err()
	})
	c.etag(p.Version)
	return http.StatusOK, p, planProblem(err)
}

func (s *Server) deletePlan(c *call) (int, any, error) {
	id, err := c.pathID()
	if err != nil {
		return 0, nil, err
	}
	err = s.cfg.Store.DeletePlan(c.Context(), c.token.Scope, id, func(p admin.Plan) error { return c.match(p.Version) })
	return http.StatusNoContent, nil, planProblem(err)
}

func planProblem(err error) error {
	var taken *store.DuplicateError
	var used *store.InUseError
	switch {
	case errors.As(err, &taken):
		return takenName("name", "The organisation has a plan of this name.")
	case errors.As(err, &used):
		return conflict("There are " + used.By + " with this plan. Take them away first, or leave the plan.")
	}
	return err
}

// setPlan takes over the fields that the body has.
func setPlan(f *fields, p *admin.Plan) {
	if name := f.text("name"); name != nil {
		if p.Name = strings.TrimSpace(*name); p.Name == "" {
			f.wrong("name", "This field may not be blank.")
		}
	}
	f.optional(map[string]**string{"description": &p.Description, "price": &p.Price})
	for name, to := range map[string]**int64{"time_seconds": &p.TimeSeconds, "data_octets": &p.DataOctets, "rate_up": &p.RateUp,
		"rate_down": &p.RateDown, "devices": &p.Devices, "idle_timeout": &p.IdleTimeout, "valid_seconds": &p.ValidSeconds} {
		if f.has(name) {
			*to = f.whole(name)
		}
	}
	if mode := f.text("time_mode"); mode != nil {
		p.TimeMode = *mode
	}
	if f.has("valid_until") {
		p.ValidUntil = f.time("valid_until")
	}
	p.Extendable = f.boolean("extendable", p.Extendable)
	if f.has("zones") {
		p.Zones = []string{}
		f.list("zones", &p.Zones)
		p.Zones = distinct(p.Zones)
	}
	if p.TimeMode == admin.TimeElapsed && p.TimeSeconds == nil {
		f.wrong("time_seconds", "A plan whose time is elapsed must say how long.")
	}
}

// time is a moment; nil when absent or null.
func (f *fields) time(name string) *time.Time {
	t := f.moment(name)
	if t == nil {
		return nil
	}
	return &t.Time
}
