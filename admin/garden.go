package admin

import (
	"context"
	"net/netip"
)

// Garden is the walled garden of a zone.
type Garden struct {
	Zone    string   `json:"zone"`
	Entries []string `json:"entries"` // as in walled_garden
	Learned []Opened `json:"learned"` // addresses of the entries' names that are open now, in order
}

// Opened is an address that is open for a time.
type Opened struct {
	Address     netip.Addr `json:"address"`
	SecondsLeft int64      `json:"seconds_left"`
}

func (s *Server) gardens(ctx context.Context, _ none) ([]Garden, error) { return s.cfg.Gardens(ctx) }
