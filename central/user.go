package central

import (
	"errors"
	"fmt"
	"net/http"

	"gatehouse/api/gate"
	"gatehouse/central/store"
	"gatehouse/sessions"
)

func (s *Server) listUsers(c *call) (int, any, error) {
	f := store.UserFilter{Username: c.FormQuery("username"), Limit: int64(c.limit()), Offset: c.offset()}
	if text := c.FormQuery("id"); text != "" {
		n, ok := parseID(text, gate.UserPrefix)
		f.ID, f.MatchesNothing = n, !ok || n <= 0
	}
	if text := c.FormQuery("organization"); text != "" {
		id, ok, err := s.organization(c, text)
		if err != nil {
			return 0, nil, err
		}
		f.Organization, f.MatchesNothing = id, f.MatchesNothing || !ok
	}
	list, count, err := s.cfg.Store.Users(c.Context(), c.token.Scope, f)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, offsetPage(c, list, count), nil
}

// pathUser is the user that the path names, by id or by name.
func (s *Server) pathUser(c *call) (gate.User, error) {
	id, ok := parseID(c.PathValue("id"), gate.UserPrefix)
	if name := c.PathValue("username"); name != "" {
		var err error
		if id, err = s.cfg.Store.UserID(c.Context(), c.token.Scope, name); err != nil {
			return gate.User{}, err
		}
	} else if !ok {
		return gate.User{}, notFound()
	}
	return s.cfg.Store.User(c.Context(), c.token.Scope, id)
}

func (s *Server) getUser(c *call) (int, any, error) {
	u, err := s.pathUser(c)
	return http.StatusOK, u, err
}

func (s *Server) createUser(c *call) (int, any, error) {
	return s.writeUser(c, 0, func(u *gate.User) { *u = gate.User{Organization: new(c.token.Scope.Own()), IsActive: true} })
}

func (s *Server) putUser(c *call) (int, any, error) {
	u, err := s.pathUser(c)
	if err != nil {
		return 0, nil, err
	}
	return s.writeUser(c, u.ID, func(u *gate.User) { *u = gate.User{Organization: u.Organization, IsActive: true} })
}

func (s *Server) patchUser(c *call) (int, any, error) {
	u, err := s.pathUser(c)
	if err != nil {
		return 0, nil, err
	}
	return s.writeUser(c, u.ID, nil)
}

func (s *Server) deleteUser(c *call) (int, any, error) {
	u, err := s.pathUser(c)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, s.cfg.Store.DeleteUser(c.Context(), c.token.Scope, u.ID)
}

// writeUser puts the body's fields into the user with this id, or into a new one when it is 0. begin makes of the stored
// user what the fields are put into; nil for the user as it is, of which no field is required.
func (s *Server) writeUser(c *call, id int64, begin func(*gate.User)) (int, any, error) {
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	body, err := s.readUser(c, f, begin)
	if err != nil {
		return 0, nil, err
	}
	saved, err := s.cfg.Store.SaveUser(c.Context(), c.token.Scope, id, body.change, body.hash)
	status, refused := http.StatusOK, http.StatusBadRequest
	if id == 0 {
		status, refused = http.StatusCreated, http.StatusConflict
	}
	return status, saved, userProblem(err, refused)
}

// userBody is what a body says of a user.
type userBody struct {
	change func(*gate.User)
	hash   *string // of the password; nil when there is none
}

// readUser reads a user from fields; begin is as for writeUser.
func (s *Server) readUser(c *call, f *fields, begin func(*gate.User)) (b userBody, err error) {
	organization, err := s.bodyOrganization(c, f)
	if err != nil {
		return b, err
	}
	b.change = func(u *gate.User) {
		if begin != nil {
			begin(u)
		}
		if organization != 0 {
			u.Organization = &organization
		}
		setUser(f, u)
	}
	b.hash, err = s.bodyPassword(c, f)
	return b, err
}

// userProblem is what went wrong with saving a user, as the caller is told; refused is the status for a name that is taken.
func userProblem(err error, refused int) error {
	var unknown *store.UnknownProfileError
	var taken *store.DuplicateError
	var full *store.FullError
	switch {
	case errors.As(err, &unknown):
		return invalidField("profile", fmt.Sprintf("Object with short_name=%s does not exist.", unknown.ShortName))
	case errors.As(err, &taken):
		return duplicate(refused, taken.Field, "A user with that username already exists.")
	case errors.As(err, &full):
		return invalidField("non_field_errors", fmt.Sprintf("The organisation has reached its limit of %d users.", full.Max))
	}
	return err
}

// bodyPassword is the hash of the password in the body, nil when there is none. All that is wrong with the body is told
// before it is made.
func (s *Server) bodyPassword(c *call, f *fields) (*string, error) {
	password := f.text("password")
	if err := f.err(); err != nil || password == nil || *password == "" {
		return nil, err
	}
	hash, err := s.hash(c.Context(), sessions.Password(*password))
	return &hash, err
}

// bodyOrganization is the organisation that the body names; 0 when it names none.
func (s *Server) bodyOrganization(c *call, f *fields) (int64, error) {
	text := f.text("organization")
	if text == nil || *text == "" {
		return 0, nil
	}
	id, ok, err := s.organization(c, *text)
	if !ok && err == nil {
		f.wrong("organization", fmt.Sprintf("Invalid pk %q - object does not exist.", *text))
	}
	return id, err
}

// setUser takes over the fields that the body has.
func setUser(f *fields, u *gate.User) {
	if name := f.text("username"); name != nil {
		u.Username = *name
	}
	for name, to := range map[string]**string{"email": &u.Email, "first_name": &u.FirstName, "last_name": &u.LastName,
		"external_id": &u.ExternalID, "klass": &u.Klass, "description": &u.Description, "avatar_url": &u.AvatarURL} {
		if f.has(name) {
			*to = f.text(name)
		}
	}
	u.IsActive = f.boolean("is_active", u.IsActive)
	if f.has("expiration") {
		u.Expiration = f.moment("expiration")
	}
	if f.has("profile") {
		u.Profile = nil
		f.list("profile", &u.Profile)
		u.Profile = distinct(u.Profile)
	}
}

// distinct keeps the first of equal names.
func distinct(names []string) []string {
	var list []string
	seen := make(map[string]bool)
	for _, n := range names {
		if !seen[n] {
			seen[n], list = true, append(list, n)
		}
	}
	return list
}
