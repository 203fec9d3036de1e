package central

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"gatehouse/api/admin"
	"gatehouse/central/store"
)

func (s *Server) adminWebhookRoutes() []route {
	const path, one = admin.WebhooksPath, admin.WebhooksPath + "{id}/"
	return []route{
		{"GET", path, adminsOnly, s.listWebhooks},
		{"POST", path, adminsOnly, s.createWebhook},
		{"GET", one, adminsOnly, s.getWebhook},
		{"PATCH", one, adminsOnly, s.patchWebhook},
		{"DELETE", one, adminsOnly, s.deleteWebhook},
		{"POST", one + "test/", adminsOnly, s.testWebhook},
		{"POST", one + "secret/", adminsOnly, s.renewWebhookSecret},
		{"GET", one + "deliveries/", adminsOnly, s.listDeliveries},
		{"POST", one + "deliveries/{delivery}/replay/", adminsOnly, s.replayDelivery},
	}
}

func (s *Server) listWebhooks(c *call) (int, any, error) {
	q, err := c.adminQuery("admin webhooks")
	if err != nil {
		return 0, nil, err
	}
	stored, more, err := s.cfg.Store.Webhooks(c.Context(), c.token.Scope, q.page)
	if err != nil {
		return 0, nil, err
	}
	list := make([]admin.Webhook, len(stored))
	for i, w := range stored {
		list[i] = w.Webhook
	}
	return http.StatusOK, adminPage(q, list, more, func(w admin.Webhook) store.Position {
		return store.Position{At: w.Created.UnixMicro(), ID: w.ID}
	}), nil
}

func (s *Server) getWebhook(c *call) (int, any, error) {
	id, err := c.pathID()
	if err != nil {
		return 0, nil, err
	}
	w, err := s.cfg.Store.Webhook(c.Context(), c.token.Scope, id)
	if err != nil {
		return 0, nil, err
	}
	c.etag(w.Version)
	return http.StatusOK, w.Webhook, nil
}

// webhookSecret is a new secret and how it is kept.
func (s *Server) webhookSecret() (secret string, sealed []byte, err error) {
	if s.cfg.Secrets == nil {
		return "", nil, conflict("The centre has no key to keep secrets with: its operator must give it one (--secrets-key).")
	}
	secret = "whsec_" + rand.Text() + rand.Text()
	return secret, s.cfg.Secrets.Seal(webhookPurpose, []byte(secret)), nil
}

const webhookPurpose = "webhook"

func (s *Server) createWebhook(c *call) (int, any, error) {
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
	secret, sealed, err := s.webhookSecret()
	if err != nil {
		return 0, nil, err
	}
	w, err := s.saveWebhook(c, f, 0, func(w *store.Webhook) error {
		w.Organization, w.Sealed = organization, sealed
		return nil
	})
	w.Secret = secret
	return http.StatusCreated, w.Webhook, err
}

func (s *Server) patchWebhook(c *call) (int, any, error) {
	id, err := c.pathID()
	if err != nil {
		return 0, nil, err
	}
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	w, err := s.saveWebhook(c, f, id, func(w *store.Webhook) error { return c.match(w.Version) })
	return http.StatusOK, w.Webhook, err
}

func (s *Server) saveWebhook(c *call, f *fields, id int64, begin func(*store.Webhook) error) (store.Webhook, error) {
	var events []string
	f.list("events", &events)
	name, address := f.text("name"), f.text("url")
	active := f.boolean("is_active", true)
	if address != nil {
		if text := webhookFault(*address); text != "" {
			f.wrong("url", text)
		}
	}
	if err := f.err(); err != nil {
		return store.Webhook{}, err
	}
	w, err := s.cfg.Store.SaveWebhook(c.Context(), c.token.Scope, id, func(w *store.Webhook) error {
		if err := begin(w); err != nil {
			return err
		}
		if name != nil {
			w.Name = *name
		}
		if address != nil {
			w.URL = *address
		}
		if f.has("events") {
			w.Events = slices.Compact(slices.Sorted(slices.Values(events)))
		}
		if f.has("is_active") {
			w.IsActive = active
		}
		return nil
	})
	if err == nil {
		c.etag(w.Version)
	}
	return w, err
}

// webhookFault is what is wrong with a webhook's URL, empty when nothing is. Where it leads is looked at when it is used.
func webhookFault(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return "Enter a URL that begins with https://."
	case u.User != nil:
		return "A URL with a password would be shown to whoever may see the webhook: leave it out and check the signature."
	case u.Fragment != "" || strings.ContainsAny(text, " \t\r\n"):
		return "Enter a URL without fragment and spaces."
	}
	return ""
}

func (s *Server) deleteWebhook(c *call) (int, any, error) {
	id, err := c.pathID()
	if err != nil {
		return 0, nil, err
	}
	err = s.cfg.Store.DeleteWebhook(c.Context(), c.token.Scope, id, func(w store.Webhook) error { return c.match(w.Version) })
	return http.StatusNoContent, nil, err
}

func (s *Server) testWebhook(c *call) (int, any, error) {
	id, err := c.pathID()
	if err != nil {
		return 0, nil, err
	}
	d, err := s.cfg.Store.TestWebhook(c.Context(), c.token.Scope, id)
	return http.StatusAccepted, d, err
}

func (s *Server) renewWebhookSecret(c *call) (int, any, error) {
	id, err := c.pathID()
	if err != nil {
		return 0, nil, err
	}
	secret, sealed, err := s.webhookSecret()
	if err != nil {
		return 0, nil, err
	}
	w, err := s.cfg.Store.SaveWebhook(c.Context(), c.token.Scope, id, func(w *store.Webhook) error {
		w.Sealed = sealed
		return c.match(w.Version)
	})
	w.Secret = secret
	return http.StatusOK, w.Webhook, err
}

func (s *Server) listDeliveries(c *call) (int, any, error) {
	id, err := c.pathID()
	if err != nil {
		return 0, nil, err
	}
	q, err := c.adminQuery("admin deliveries", "state")
	if err != nil {
		return 0, nil, err
	}
	list, more, err := s.cfg.Store.Deliveries(c.Context(), c.token.Scope, id, q.filters["state"], q.page)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, adminPage(q, list, more, func(d admin.WebhookDelivery) store.Position {
		return store.Position{At: d.Created.UnixMicro(), ID: d.ID}
	}), nil
}

func (s *Server) replayDelivery(c *call) (int, any, error) {
	id, err := c.pathID()
	if err != nil {
		return 0, nil, err
	}
	delivery, ok := parseID(c.PathValue("delivery"), "")
	if !ok {
		return 0, nil, notFound()
	}
	d, err := s.cfg.Store.Replay(c.Context(), c.token.Scope, id, delivery)
	return http.StatusAccepted, d, err
}
