package central

import (
	"errors"
	"fmt"
	"net/http"

	"gatehouse/api/admin"
	"gatehouse/central/seal"
	"gatehouse/central/store"
)

func (s *Server) adminRADIUSRoutes() []route {
	const path = admin.RADIUSClientsPath
	return []route{
		{"GET", path, adminsOnly, s.listRADIUSClients},
		{"POST", path, adminsOnly, s.createRADIUSClient},
		{"GET", path + "{id}/", adminsOnly, s.getRADIUSClient},
		{"PATCH", path + "{id}/", adminsOnly, s.patchRADIUSClient},
		{"DELETE", path + "{id}/", adminsOnly, s.deleteRADIUSClient},
	}
}

func (s *Server) listRADIUSClients(c *call) (int, any, error) {
	q, err := c.adminQuery("admin radius_clients")
	if err != nil {
		return 0, nil, err
	}
	stored, more, err := s.cfg.Store.RADIUSClients(c.Context(), c.token.Scope, q.page)
	if err != nil {
		return 0, nil, err
	}
	list := make([]admin.RADIUSClient, len(stored))
	for i, one := range stored {
		list[i] = adminRADIUSClient(one)
	}
	return http.StatusOK, adminPage(q, list, more, func(one admin.RADIUSClient) store.Position {
		return store.Position{At: one.Created.UnixMicro(), ID: one.ID}
	}), nil
}

func adminRADIUSClient(c store.RADIUSClient) admin.RADIUSClient {
	return admin.RADIUSClient{ID: c.ID, Organization: c.OrganizationID, Name: c.Name, Network: nullable(c.Network),
		Certificate: nullable(c.Certificate), NASIdentifier: nullable(c.NASIdentifier), Quirks: c.Quirks, Created: c.Created, Updated: c.Updated}
}

// nullable is null for what is empty.
func nullable(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func (s *Server) getRADIUSClient(c *call) (int, any, error) {
	id, err := c.pathID()
	if err != nil {
		return 0, nil, err
	}
	one, err := s.cfg.Store.RADIUSClient(c.Context(), c.token.Scope, id)
	if err != nil {
		return 0, nil, err
	}
	c.etag(one.Version)
	return http.StatusOK, adminRADIUSClient(one), nil
}

func (s *Server) createRADIUSClient(c *call) (int, any, error) {
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	organization, err := s.bodyOrganization(c, f)
	if err != nil {
		return 0, nil, err
	}
	if organization == 0 {
		organization = c.token.Scope.Own()
	}
	return s.saveRADIUSClient(c, f, 0, http.StatusCreated, func(one *store.RADIUSClient) error {
		one.OrganizationID = organization
		return nil
	})
}

func (s *Server) patchRADIUSClient(c *call) (int, any, error) {
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	id, err := c.pathID()
	if err != nil {
		return 0, nil, err
	}
	return s.saveRADIUSClient(c, f, id, http.StatusOK, func(one *store.RADIUSClient) error { return c.match(one.Version) })
}

func (s *Server) saveRADIUSClient(c *call, f *fields, id int64, status int, begin func(*store.RADIUSClient) error) (int, any, error) {
	var quirks []string
	f.list("quirks", &quirks)
	if err := f.err(); err != nil {
		return 0, nil, err
	}
	saved, err := s.cfg.Store.SaveRADIUSClient(c.Context(), c.token.Scope, id, func(one *store.RADIUSClient) error {
		if err := begin(one); err != nil {
			return err
		}
		for name, to := range map[string]*string{"name": &one.Name, "network": &one.Network, "nas_identifier": &one.NASIdentifier} {
			if f.has(name) {
				*to = ""
				if text := f.text(name); text != nil {
					*to = *text
				}
			}
		}
		if secret := f.text("secret"); secret != nil {
			var err error
			if one.Secret, err = SealRADIUSSecret(s.cfg.Secrets, one.OrganizationID, *secret); err != nil {
				return err
			}
		}
		if f.has("quirks") {
			one.Quirks = quirks
		}
		return nil
	})
	var taken *store.DuplicateError
	var wrong *store.ValueError
	switch {
	case errors.As(err, &taken):
		return 0, nil, takenName(taken.Field, "Another RADIUS client has this "+taken.Field+".")
	case errors.As(err, &wrong):
		return 0, nil, invalidField(wrong.Field, wrong.Text)
	case err != nil:
		return 0, nil, err
	}
	c.etag(saved.Version)
	return status, adminRADIUSClient(saved), nil
}

const leastSecret = 8 // characters; RFC 2865 §3 recommends 16

// SealRADIUSSecret is the secret of a RADIUS client of the organisation as it is kept. The error is a *store.ValueError.
func SealRADIUSSecret(key *seal.Key, organization int64, secret string) ([]byte, error) {
	switch {
	case len(secret) < leastSecret:
		return nil, &store.ValueError{Field: "secret", Text: fmt.Sprintf("At least %d characters are wanted.", leastSecret)}
	case key == nil:
		return nil, &store.ValueError{Field: "secret", Text: "The centre has no key to keep secrets with: its operator must give it one (--secrets-key)."}
	}
	return key.Seal(radiusPurpose(organization), []byte(secret)), nil
}

func radiusPurpose(organization int64) string {
	return fmt.Sprintf("radius client of %d", organization)
}

func (s *Server) deleteRADIUSClient(c *call) (int, any, error) {
	id, err := c.pathID()
	if err != nil {
		return 0, nil, err
	}
	err = s.cfg.Store.DeleteRADIUSClient(c.Context(), c.token.Scope, id, func(one store.RADIUSClient) error {
		return c.match(one.Version)
	})
	return http.StatusNoContent, nil, err
}
