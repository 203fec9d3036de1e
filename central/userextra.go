package central

import (
	"net/http"
	"strconv"
	"time"

	"gatehouse/api/gate"
	"gatehouse/central/store"
)

func (s *Server) listExtras(c *call) (int, any, error) {
	f := store.ExtraFilter{Event: c.FormQuery("event"), Limit: int64(c.limit()), Offset: c.offset()}
	if text := c.FormQuery("parent"); text != "" {
		n, ok := parseID(text, gate.UserPrefix)
		f.Parent, f.MatchesNothing = n, !ok || n <= 0
	}
	if text := c.FormQuery("parent__organization_id"); text != "" {
		id, ok, err := s.organization(c, text)
		if err != nil {
			return 0, nil, err
		}
		f.Organization, f.MatchesNothing = id, f.MatchesNothing || !ok
	}
	list, count, err := s.cfg.Store.UserExtras(c.Context(), c.token.Scope, f)
	if err != nil {
		return 0, nil, err
	}
	for i := range list {
		if err := s.complete(c, &list[i]); err != nil {
			return 0, nil, err
		}
	}
	return http.StatusOK, offsetPage(c, list, count), nil
}

func (s *Server) getExtra(c *call) (int, any, error) {
	e, err := s.cfg.Store.UserExtra(c.Context(), c.token.Scope, c.gateID())
	if err == nil {
		err = s.complete(c, &e)
	}
	return http.StatusOK, e, err
}

// complete works out the age where only the birthday is known, and adds the person's devices where they are asked for.
func (s *Server) complete(c *call, e *gate.UserExtra) error {
	if e.Age == nil && e.Birthday != nil {
		e.Age = ageOf(*e.Birthday, s.cfg.Clock.Now().UTC())
	}
	if !truth(c.FormQuery("device_info")) {
		return nil
	}
	devices, err := s.cfg.Store.UserDevices(c.Context(), e.Parent)
	e.DeviceInfo = new(convert(devices, func(d store.Device) gate.DeviceReg { return d.DeviceReg }))
	return err
}

func ageOf(birthday string, now time.Time) *int64 {
	born, err := time.Parse(time.DateOnly, birthday)
	if err != nil {
		return nil
	}
	age := now.Year() - born.Year()
	if now.Month() < born.Month() || now.Month() == born.Month() && now.Day() < born.Day() {
		age--
	}
	if age < 0 {
		return nil
	}
	return new(int64(age))
}

func (s *Server) createExtra(c *call) (int, any, error) {
	return s.writeExtra(c, http.StatusCreated, 0, true)
}

func (s *Server) putExtra(c *call) (int, any, error) {
	return s.writeExtra(c, http.StatusOK, c.gateID(), true)
}

func (s *Server) patchExtra(c *call) (int, any, error) {
	return s.writeExtra(c, http.StatusOK, c.gateID(), false)
}

func (s *Server) deleteExtra(c *call) (int, any, error) {
	return http.StatusNoContent, nil, s.cfg.Store.DeleteUserExtra(c.Context(), c.token.Scope, c.gateID())
}

// writeExtra puts the body's fields into the user extra with this id, or into a new one when it is 0. In a whole one what is
// not named is null.
func (s *Server) writeExtra(c *call, status int, id int64, whole bool) (int, any, error) {
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	e, err := s.cfg.Store.SaveUserExtra(c.Context(), c.token.Scope, id, func(e *gate.UserExtra) {
		if whole {
			*e = gate.UserExtra{ID: e.ID}
		}
		setExtra(f, e)
	})
	return status, e, err
}

func setExtra(f *fields, e *gate.UserExtra) {
	if id := f.number("parent"); id != nil {
		e.Parent = *id
	}
	if f.has("age") {
		e.Age = f.number("age")
	}
	if f.has("accept_terms") {
		e.AcceptTerms = nil
		if !f.null("accept_terms") {
			e.AcceptTerms = new(f.boolean("accept_terms", false))
		}
	}
	texts := e.Texts()
	for i, name := range gate.UserExtraTexts() {
		if f.has(name) {
			*texts[i] = f.text(name)
		}
	}
}

// number is a field with a whole number; nil when absent or null.
func (f *fields) number(name string) *int64 {
	n, err := strconv.ParseInt(string(f.raw[name]), 10, 64)
	if err != nil { // absent or null: the contract lets nothing else through
		return nil
	}
	return &n
}
