package central

import (
	"errors"
	"fmt"
	"net/http"

	"gatehouse/api/gate"
	"gatehouse/central/store"
)

func (s *Server) listProfiles(c *call) (int, any, error) {
	list, count, err := s.cfg.Store.Profiles(c.Context(), c.token.Scope, int64(c.limit()), c.offset())
	if err != nil {
		return 0, nil, err
	}
	for i := range list {
		s.shape(&list[i].OrganizationID)
	}
	return http.StatusOK, offsetPage(c, list, count), nil
}

func (s *Server) createProfile(c *call) (int, any, error) {
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	p := gate.AaaProfile{OrganizationID: gate.ID{Prefix: gate.OrganizationPrefix, N: c.token.Scope.Own()},
		ReplyAttribute: []gate.Attr{}, CheckAttribute: []gate.Attr{}}
	if setProfile(f, &p); f.err() != nil {
		return 0, nil, f.err()
	}
	p, err = s.cfg.Store.CreateProfile(c.Context(), p)
	var taken *store.DuplicateError
	if errors.As(err, &taken) {
		return 0, nil, duplicate(http.StatusConflict, taken.Field, "A profile with that short_name already exists.")
	}
	s.shape(&p.OrganizationID)
	warnOf(c, p)
	return http.StatusCreated, p, err
}

// warnOf tells who writes or reads a profile, in a header because GATE has no field for it, what of it means nothing to gateways.
func warnOf(c *call, p gate.AaaProfile) {
	profile := sessionsProfile(p)
	said := profile.Unheeded()
	for _, fault := range profile.Faults() {
		said = append(said, fault.Error())
	}
	for _, text := range said {
		c.header.Add("Profile-Warning", text)
	}
}

// gateID is the number that the path names something by; the contract lets nothing else through.
func (c *call) gateID() int64 {
	id, _ := parseID(c.PathValue("id"), gate.UserPrefix)
	return id
}

func (s *Server) getProfile(c *call) (int, any, error) {
	p, err := s.cfg.Store.Profile(c.Context(), c.token.Scope, c.gateID())
	s.shape(&p.OrganizationID)
	warnOf(c, p)
	return http.StatusOK, p, err
}

func (s *Server) putProfile(c *call) (int, any, error)   { return s.updateProfile(c, true) }
func (s *Server) patchProfile(c *call) (int, any, error) { return s.updateProfile(c, false) }

// updateProfile puts the body's fields into a profile; a whole one has all of them, what is not named being empty. An array
// takes the place of the whole array that was there.
func (s *Server) updateProfile(c *call, whole bool) (int, any, error) {
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	change := func(p *gate.AaaProfile) {
		if whole {
			*p = gate.AaaProfile{ID: p.ID, OrganizationID: p.OrganizationID, ReplyAttribute: []gate.Attr{}, CheckAttribute: []gate.Attr{}}
		}
		setProfile(f, p)
	}
	if change(new(gate.AaaProfile)); f.err() != nil {
		return 0, nil, f.err()
	}
	p, err := s.cfg.Store.UpdateProfile(c.Context(), c.token.Scope, c.gateID(), change)
	var taken *store.DuplicateError
	if errors.As(err, &taken) {
		return 0, nil, duplicate(http.StatusBadRequest, taken.Field, "A profile with that short_name already exists.")
	}
	s.shape(&p.OrganizationID)
	warnOf(c, p)
	return http.StatusOK, p, err
}

func (s *Server) deleteProfile(c *call) (int, any, error) {
	err := s.cfg.Store.DeleteProfile(c.Context(), c.token.Scope, c.gateID())
	if errors.Is(err, store.ErrInUse) {
		return 0, nil, inUse("assigned", "The profile is assigned to a user.")
	}
	return http.StatusNoContent, nil, err
}

// setProfile takes over the fields that the body has.
func setProfile(f *fields, p *gate.AaaProfile) {
	for name, to := range map[string]*string{"name": &p.Name, "short_name": &p.ShortName} {
		if text := f.text(name); text != nil {
			*to = *text
		}
	}
	if f.has("description") {
		p.Description = f.text("description")
	}
	for name, to := range map[string]*[]gate.Attr{"reply_attribute": &p.ReplyAttribute, "check_attribute": &p.CheckAttribute} {
		if f.has(name) {
			*to = []gate.Attr{}
			f.list(name, to)
		}
	}
	for i, a := range p.CheckAttribute {
		check := sessionsProfile(gate.AaaProfile{CheckAttribute: []gate.Attr{a}})
		for _, fault := range check.Faults() {
			f.wrong("check_attribute", fmt.Sprintf("Item %d: %v.", i, fault))
		}
	}
}

// shape gives ids the form that this server shows.
func (s *Server) shape(ids ...*gate.ID) {
	for _, id := range ids {
		if id != nil && s.cfg.IntegerIDs {
			id.Prefix = ""
		}
	}
}
