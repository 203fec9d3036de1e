package gwsync

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"

	"gatehouse/api/edge"
	"gatehouse/sessions"
)

// proofTimeout bounds the beginning of a proof: the centre may hand over a message meanwhile.
const proofTimeout = 15 * time.Second

// BeginProof has the centre take a proof. What the centre finds wrong with it, and that it cannot be asked, is a *sessions.Refusal.
func (a *Authority) BeginProof(ctx context.Context, req sessions.ProofRequest) (sessions.Proof, error) {
	if a.broken() {
		return sessions.Proof{}, fmt.Errorf("%w: it did not answer a moment ago", sessions.ErrUnreachable)
	}
	limited, cancel := context.WithTimeout(ctx, proofTimeout)
	defer cancel()
	answer, err := a.client.beginProof(limited, edge.ProofRequest{
		Method: string(req.Method), Contact: req.Contact, Provider: req.Provider, Fields: maps.Clone(req.Fields), Password: string(req.Password),
		Verify: string(req.Verify), CountryCode: req.CountryCode, Prefixes: req.Prefixes, Terms: req.Terms,
		Locale: req.Locale, ReturnURL: req.ReturnURL, CallingStationID: req.Station.MAC.CallingStationID(), Zone: req.Station.Zone,
	})
	if err != nil {
		return sessions.Proof{}, a.unproven(ctx, err)
	}
	return sessions.Proof{Ticket: sessions.Password(answer.Ticket), URL: answer.URL, Names: answer.Names, Given: answer.Given,
		ExpiresIn: inSeconds(answer.ExpiresIn), ResendIn: inSeconds(answer.ResendIn)}, nil
}

// CheckProof returns the account of a proof that was given, as Authenticate does.
func (a *Authority) CheckProof(ctx context.Context, ticket, answer sessions.Password, at sessions.Station) (sessions.Account, error) {
	if a.broken() {
		return sessions.Account{}, fmt.Errorf("%w: it did not answer a moment ago", sessions.ErrUnreachable)
	}
	limited, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	since, end := a.asked.ask()
	defer end()
	r, err := a.client.checkProof(limited, edge.ProofCheck{Ticket: string(ticket), Answer: string(answer),
		CallingStationID: at.MAC.CallingStationID(), Zone: at.Zone})
	switch {
	case err != nil:
		return sessions.Account{}, a.unproven(ctx, err)
	case r.State == edge.ProofPending:
		return sessions.Account{}, sessions.ErrProofPending
	case r.State == edge.ProofWrong && r.Tries > 0:
		return sessions.Account{}, &sessions.Refusal{Reason: sessions.RefusedAnswer}
	case r.State == edge.ProofDenied:
		return sessions.Account{}, &sessions.Refusal{Reason: sessions.RefusedDenied}
	case r.State != edge.ProofGiven:
		return sessions.Account{}, &sessions.Refusal{Reason: sessions.RefusedProofOver}
	case r.Account == nil || r.Account.Username == "":
		return sessions.Account{}, fmt.Errorf("%w: it answered yes, but not who", sessions.ErrUnreachable)
	}
	return a.keep(limited, r.Account, since)
}

// ProofReady asks whether a proof was given, and leaves it as it is.
func (a *Authority) ProofReady(ctx context.Context, ticket sessions.Password, at sessions.Station) (bool, error) {
	if a.broken() {
		return false, fmt.Errorf("%w: it did not answer a moment ago", sessions.ErrUnreachable)
	}
	limited, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	r, err := a.client.checkProof(limited, edge.ProofCheck{Ticket: string(ticket), CallingStationID: at.MAC.CallingStationID(), Zone: at.Zone, Peek: true})
	switch {
	case err != nil:
		return false, a.unproven(ctx, err)
	case r.State == edge.ProofDenied:
		return false, &sessions.Refusal{Reason: sessions.RefusedDenied}
	case r.State == edge.ProofPending, r.State == edge.ProofReady:
		return r.State == edge.ProofReady, nil
	}
	return false, &sessions.Refusal{Reason: sessions.RefusedProofOver}
}

// unproven is what an error about a proof means to the guest.
func (a *Authority) unproven(ctx context.Context, err error) error {
	var answer *edge.AnswerError
	if errors.As(err, &answer) && answer.Status == http.StatusUnprocessableEntity {
		if reason, ok := proofReasons[answer.Code]; ok {
			return &sessions.Refusal{Reason: reason}
		}
	}
	return a.undecided(ctx, err)
}

var proofReasons = map[string]sessions.Reason{
	edge.ProofBadContact: sessions.RefusedContact,
	edge.ProofBadField:   sessions.RefusedField,
	edge.ProofNotSent:    sessions.RefusedNotSent,
	edge.ProofNotOffered: sessions.RefusedMethod,
}

var _ sessions.Provers = (*Authority)(nil)
