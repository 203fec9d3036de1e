package central

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"

	"gatehouse/api/gate"
	"gatehouse/central/store"
)

const maxAttributes = 200 // in one array of a profile

var slugForm = regexp.MustCompile(`^[-a-zA-Z0-9_]+$`)

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
	f.require("name", "short_name")
	p := gate.AaaProfile{OrganizationID: gate.ID{Prefix: gate.OrganizationPrefix, N: c.token.Scope.Own()}}
	setProfile(f, &p)
	if err := f.err(); err != nil {
		return 0, nil, err
	}
	p, err = s.cfg.Store.CreateProfile(c.Context(), p)
	var taken *store.DuplicateError
	if errors.As(err, &taken) {
		return 0, nil, duplicate(http.StatusConflict, taken.Field, "A profile with that short_name already exists.")
	}
	s.shape(&p.OrganizationID)
	return http.StatusCreated, p, err
}

func setProfile(f *fields, p *gate.AaaProfile) {
	if name := f.text("name", shortText); name != nil {
		p.Name = *name
	}
	if name := f.text("short_name", shortText); name != nil {
		if p.ShortName = *name; *name != "" && !slugForm.MatchString(*name) {
			f.wrong("short_name", `Enter a valid "slug" consisting of letters, numbers, underscores or hyphens.`)
		}
	}
	p.Description = f.text("description", longText)
	p.ReplyAttribute = attributes(f, "reply_attribute")
	p.CheckAttribute = attributes(f, "check_attribute")
}

func attributes(f *fields, name string) []gate.Attr {
	var given []struct{ Attribute, Op, Value *string }
	f.list(name, &given)
	if len(given) > maxAttributes {
		f.wrong(name, fmt.Sprintf("Ensure this field has no more than %d elements.", maxAttributes))
		return nil
	}
	list := make([]gate.Attr, 0, len(given))
	for i, a := range given {
		switch {
		case a.Attribute == nil || *a.Attribute == "" || a.Op == nil || a.Value == nil:
			f.wrong(name, fmt.Sprintf("Item %d: attribute, op and value are required.", i))
		case len(*a.Attribute) > shortText || len(*a.Value) > longText:
			f.wrong(name, fmt.Sprintf("Item %d is too long.", i))
		case !slices.Contains(gate.Operators(), *a.Op):
			f.wrong(name, fmt.Sprintf("Item %d: %q is not a valid choice.", i, *a.Op))
		default:
			list = append(list, gate.Attr{Attribute: *a.Attribute, Op: *a.Op, Value: *a.Value})
		}
	}
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
