package gwsync

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/api/edge"
	"gatehouse/sessions"
)

func TestProofs(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		station := sessions.Station{Zone: "guest", MAC: sessions.MAC{2, 0, 0x5e, 0x10, 0, 0xfe}}
		var asked edge.ProofRequest
		var checked edge.ProofCheck
		var result edge.ProofResult
		status, failure := http.StatusCreated, edge.Error{}
		r.centre.script = func(w http.ResponseWriter, req *http.Request, _ []edge.Record) bool {
			switch strings.TrimPrefix(req.URL.Path, "/sub") {
			case edge.ProofPath:
				_ = json.NewDecoder(req.Body).Decode(&asked)
			case edge.ProofCheckPath:
				_ = json.NewDecoder(req.Body).Decode(&checked)
			default:
				return false
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			switch {
			case status/100 != 2:
				_ = json.NewEncoder(w).Encode(failure)
			case status == http.StatusCreated:
				_ = json.NewEncoder(w).Encode(edge.ProofAnswer{Ticket: "ghp_t", ExpiresIn: 600, ResendIn: 60})
			default:
				_ = json.NewEncoder(w).Encode(result)
			}
			return true
		}
		p, err := r.Authority.BeginProof(t.Context(), sessions.ProofRequest{Station: station, Method: sessions.MethodSMS, Contact: "0170 1",
			CountryCode: "49", Prefixes: []string{"43"}, Locale: "de", Terms: "v1"})
		if err != nil {
			t.Fatal(err)
		}
		want(t, "proof", p, sessions.Proof{Ticket: "ghp_t", ExpiresIn: 10 * time.Minute, ResendIn: time.Minute})
		want(t, "request", asked, edge.ProofRequest{Method: "sms", Contact: "0170 1", CountryCode: "49", Prefixes: []string{"43"}, Locale: "de",
			Terms: "v1", CallingStationID: "02-00-5E-10-00-FE", Zone: "guest"})

		status = http.StatusOK
		check := func() (sessions.Account, sessions.Reason, error) {
			a, err := r.Authority.CheckProof(t.Context(), p.Ticket, "123456", station)
			var refusal *sessions.Refusal
			if errors.As(err, &refusal) {
				return a, refusal.Reason, nil
			}
			return a, "", err
		}
		for _, step := range []struct {
			result edge.ProofResult
			reason sessions.Reason
			err    error
		}{
			{edge.ProofResult{State: edge.ProofPending}, "", sessions.ErrProofPending},
			{edge.ProofResult{State: edge.ProofWrong, Tries: 4}, sessions.RefusedAnswer, nil},
			{edge.ProofResult{State: edge.ProofWrong}, sessions.RefusedProofOver, nil},
			{edge.ProofResult{State: edge.ProofExpired}, sessions.RefusedProofOver, nil},
			{edge.ProofResult{State: edge.ProofDenied}, sessions.RefusedDenied, nil},
			{edge.ProofResult{State: "of a later version"}, sessions.RefusedProofOver, nil},
			{edge.ProofResult{State: edge.ProofGiven}, "", sessions.ErrUnreachable}, // yes, but not who
		} {
			result = step.result
			if _, reason, err := check(); reason != step.reason || !errors.Is(err, step.err) {
				t.Errorf("%+v: %q %v, want %q %v", step.result, reason, err, step.reason, step.err)
			}
		}
		want(t, "question", checked, edge.ProofCheck{Ticket: "ghp_t", Answer: "123456", CallingStationID: "02-00-5E-10-00-FE", Zone: "guest"})
		result = edge.ProofResult{State: edge.ProofGiven, Account: edgeAccount(7, "+491701")}
		a, _, err := check()
		if err != nil {
			t.Fatal(err)
		}
		want(t, "account", a, sessions.Account{Source: sessions.SourceCentre, UserID: 7, Username: "+491701", CredentialVersion: 1, Active: true})
		want(t, "mirror", r.mirror.takeSteps(), []string{"account +491701"})

		for code, reason := range map[string]sessions.Reason{edge.ProofBadContact: sessions.RefusedContact, edge.ProofBadField: sessions.RefusedField,
			edge.ProofNotSent: sessions.RefusedNotSent, edge.ProofNotOffered: sessions.RefusedMethod} {
			status, failure = http.StatusUnprocessableEntity, edge.Error{Code: code}
			var refusal *sessions.Refusal
			if _, err := r.Authority.BeginProof(context.Background(), sessions.ProofRequest{}); !errors.As(err, &refusal) || refusal.Reason != reason {
				t.Errorf("%s: %v", code, err)
			}
		}
		status, failure = http.StatusTooManyRequests, edge.Error{Code: "too_many_attempts", RetryAfter: 55}
		var refusal *sessions.Refusal
		if _, err := r.Authority.BeginProof(t.Context(), sessions.ProofRequest{}); !errors.As(err, &refusal) || refusal.RetryAfter != 55*time.Second {
			t.Errorf("too often: %v", err)
		}
		status, failure = http.StatusBadGateway, edge.Error{}
		if _, err := r.Authority.BeginProof(t.Context(), sessions.ProofRequest{}); !errors.Is(err, sessions.ErrUnreachable) {
			t.Errorf("away: %v", err)
		}
		if r.logs.count("ghp_t") != 0 {
			t.Error("the ticket is in the log")
		}
	})
}
