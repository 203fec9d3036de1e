package central

import (
	"errors"
	"net/http"

	"gatehouse/api/admin"
	"gatehouse/api/gate"
	"gatehouse/central/store"
	"gatehouse/sessions"
)

// adminAccountRoutes are the users as the front desk sees them.
func (s *Server) adminAccountRoutes() []route {
	return []route{
		{"GET", "/accounts/", readers, s.listAccounts},
		{"POST", "/accounts/", frontDesk, s.createAccount},
		{"GET", "/accounts/{id}/", readers, s.getAccount},
		{"PATCH", "/accounts/{id}/", frontDesk, s.patchAccount},
		{"POST", "/accounts/{id}/reset_password/", frontDesk, s.resetPassword},
	}
}

func (s *Server) listAccounts(c *call) (int, any, error) {
	q, err := c.adminQuery("accounts", "organization", "username", "plan", "state")
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
	list, more := []admin.Account{}, false
	if ok && !nothing {
		f := store.AccountFilter{Organization: organization, Plan: plan, Username: q.filters["username"], State: q.filters["state"]}
		list, more, err = s.cfg.Store.Accounts(c.Context(), c.token.Scope, f, q.page)
	}
	return http.StatusOK, adminPage(q, list, more, func(a admin.Account) store.Position {
		return store.Position{At: a.Created.UnixMicro(), ID: a.ID}
	}), err
}

func (s *Server) getAccount(c *call) (int, any, error) {
	id, err := c.pathID()
	if err != nil {
		return 0, nil, err
	}
	a, err := s.cfg.Store.Account(c.Context(), c.token.Scope, id)
	return http.StatusOK, a, err
}

func (s *Server) createAccount(c *call) (int, any, error) {
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	password, hash, err := s.givenOrNew(c, f)
	if err != nil {
		return 0, nil, err
	}
	organization := c.token.Scope.Own()
	if named, err := s.bodyOrganization(c, f); err != nil {
		return 0, nil, err
	} else if named != 0 {
		organization = named
	}
	if err := f.err(); err != nil {
		return 0, nil, err
	}
	return s.saveAccount(c, f, 0, func(u *gate.User) {
		*u = gate.User{Organization: &organization, IsActive: true}
		setUser(f, u)
	}, hash, password)
}

func (s *Server) patchAccount(c *call) (int, any, error) {
	id, err := c.pathID()
	if err != nil {
		return 0, nil, err
	}
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	return s.saveAccount(c, f, id, func(u *gate.User) { setUser(f, u) }, nil, "")
}

func (s *Server) resetPassword(c *call) (int, any, error) {
	id, err := c.pathID()
	if err != nil {
		return 0, nil, err
	}
	if _, err := s.cfg.Store.Account(c.Context(), c.token.Scope, id); err != nil {
		return 0, nil, err
	}
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	password, hash, err := s.givenOrNew(c, f)
	if err != nil {
		return 0, nil, err
	}
	return s.saveAccount(c, f, id, func(*gate.User) {}, hash, password)
}

// givenOrNew is the hash of the password in the body, or of a new one, which is returned too.
func (s *Server) givenOrNew(c *call, f *fields) (made string, hash *string, err error) {
	text := f.text("password")
	if text == nil || *text == "" {
		made = string(sessions.NewVoucherCode())[:10] // 45 bits, of characters that cannot be misread
		text = &made
	}
	h, err := s.hash(c.Context(), sessions.Password(*text))
	return made, &h, err
}

// saveAccount answers with the account as it is then, and with the password that was made for it.
func (s *Server) saveAccount(c *call, f *fields, id int64, change func(*gate.User), hash *string, password string) (int, any, error) {
	var plan *store.NewPlan
	if f.has("plan") {
		plan = &store.NewPlan{KeepExpiration: !f.null("expiration")}
		if n := f.whole("plan"); n != nil {
			plan.ID = *n
		}
	}
	status := http.StatusOK
	if id == 0 {
		status = http.StatusCreated
	}
	u, err := s.cfg.Store.SaveAccount(c.Context(), c.token.Scope, id, change, hash, plan)
	var taken *store.DuplicateError
	switch {
	case errors.As(err, &taken):
		return 0, nil, takenName(taken.Field, "A user with that username already exists.")
	case errors.Is(err, store.ErrNotFound) && plan != nil:
		if _, known := s.cfg.Store.Account(c.Context(), c.token.Scope, id); id != 0 && known != nil {
			return 0, nil, known
		}
		return 0, nil, invalidField("plan", "The organisation has no such plan.")
	case err != nil:
		return 0, nil, userProblem(err, http.StatusConflict)
	}
	a, err := s.cfg.Store.Account(c.Context(), c.token.Scope, u.ID)
	a.Password = password
	return status, a, err
}
