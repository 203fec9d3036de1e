package central

import (
	"errors"
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
	p := gate.AaaProfile{OrganizationID: gate.ID{Prefix: gate.OrganizationPrefix, N: c.token.Scope.Own()}}
	setProfile(f, &p)
	p, err = s.cfg.Store.CreateProfile(c.Context(), p)
	var taken *store.DuplicateError
	if errors.As(err, &taken) {
		return 0, nil, duplicate(http.StatusConflict, taken.Field, "A profile with that short_name already exists.")
	}
	s.shape(&p.OrganizationID)
	return http.StatusCreated, p, err
}

func setProfile(f *fields, p *gate.AaaProfile) {
	p.Name, p.ShortName, p.Description = *f.text("name"), *f.text("short_name"), f.text("description")
	p.ReplyAttribute = attributes(f, "reply_attribute")
	p.CheckAttribute = attributes(f, "check_attribute")
}

func attributes(f *fields, name string) []gate.Attr {
	list := []gate.Attr{}
	f.list(name, &list)
	return list
}

// shape gives ids the form that this server shows.
func (s *Server) shape(ids ...*gate.ID) {
	for _, id := range ids {
		if id != nil && s.cfg.IntegerIDs {
			id.Prefix = ""
		}
	}
}
