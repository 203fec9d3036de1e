package admin

import (
	"context"
	"net/http"

	"gatehouse/sessions"
)

// Consents are the receipts of accepted terms of use: those of a journal.Journal.
type Consents interface {
	Consents(ctx context.Context, username string, limit int) ([]sessions.Consent, error)
	Terms(ctx context.Context, hash string) (text string, ok bool, err error)
}

// ConsentsRequest asks for receipts, the newest first.
type ConsentsRequest struct {
	Username string `json:"username,omitempty"` // empty: everybody's
	Limit    int    `json:"limit"`
}

// TermsRequest asks for the text that has a hash.
type TermsRequest struct {
	Hash string `json:"hash"`
}

// Terms is a text that somebody has accepted.
type Terms struct {
	Text string `json:"text"`
}

const maxConsents = 10_000

func (s *Server) consents(ctx context.Context, in ConsentsRequest) ([]sessions.Consent, error) {
	if in.Limit < 1 || in.Limit > maxConsents {
		return nil, &Error{Code: CodeInvalid, Message: "ask for 1 to 10000 receipts"}
	}
	return s.cfg.Consents.Consents(ctx, in.Username, in.Limit)
}

func (s *Server) terms(ctx context.Context, in TermsRequest) (Terms, error) {
	text, ok, err := s.cfg.Consents.Terms(ctx, in.Hash)
	if err == nil && !ok {
		err = &Error{Code: CodeNotFound, Message: "nobody has accepted a text with that hash here; \"gatehouse consent list\" shows the hashes"}
	}
	return Terms{text}, err
}

// Consents are receipts of accepted terms, the newest first.
func (c *Client) Consents(ctx context.Context, in ConsentsRequest) ([]sessions.Consent, error) {
	return call[[]sessions.Consent](ctx, c, http.MethodPost, "/consents", in)
}

// Terms is the text with that hash.
func (c *Client) Terms(ctx context.Context, hash string) (Terms, error) {
	return call[Terms](ctx, c, http.MethodPost, "/consents/terms", TermsRequest{hash})
}
