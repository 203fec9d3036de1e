package sessions_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/sessions"
)

// provers answers as a centre.
type provers struct {
	account sessions.Account
	err     error
	begun   int
	asked   [2]sessions.Password
}

func (p *provers) BeginProof(context.Context, sessions.ProofRequest) (sessions.Proof, error) {
	p.begun++
	return sessions.Proof{Ticket: "t"}, p.err
}

func (p *provers) CheckProof(_ context.Context, ticket, answer sessions.Password, _ sessions.Station) (sessions.Account, error) {
	p.asked = [2]sessions.Password{ticket, answer}
	return p.account, p.err
}

func (p *provers) ProofReady(context.Context, sessions.Password, sessions.Station) (bool, error) {
	return true, p.err
}

func TestLoginByProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &provers{account: sessions.Account{Source: sessions.SourceCentre, UserID: 7, Username: "a@example.net", Active: true}}
		z := zone(sessions.Limits{SessionTimeout: ptr(time.Hour)})
		z.Methods, z.TermsForAll = append(z.Methods, sessions.MethodEmail), true
		r := newRig(t, z, func(c *sessions.Config) { c.Provers = p })
		defer r.stop()
		login := func(st sessions.Station, m sessions.Method) (sessions.Session, sessions.Refusal, error) {
			s, err := r.Login(t.Context(), sessions.LoginRequest{Station: st, Addr: addrA, Method: m, Proof: "t", Code: "123456",
				AcceptedTerms: z.TermsVersion})
			var refusal *sessions.Refusal
			if errors.As(err, &refusal) {
				return s, *refusal, nil
			}
			return s, sessions.Refusal{}, err
		}
		begin := func(m sessions.Method) (sessions.Refusal, error) {
			_, err := r.BeginProof(t.Context(), sessions.ProofRequest{Station: stationA, Method: m})
			var refusal *sessions.Refusal
			if errors.As(err, &refusal) {
				return *refusal, nil
			}
			return sessions.Refusal{}, err
		}
		for _, m := range []sessions.Method{sessions.MethodSMS, sessions.MethodPassword} { // not offered, no proof
			if refusal, _ := begin(m); refusal.Reason != sessions.RefusedMethod {
				t.Errorf("%s: %+v", m, refusal)
			}
		}
		if _, refusal, _ := login(stationA, sessions.MethodSMS); refusal.Reason != sessions.RefusedMethod {
			t.Errorf("a way in that is not offered: %+v", refusal)
		}
		begun := p.begun
		for range 8 {
			if refusal, err := begin(sessions.MethodEmail); refusal.Reason != "" || err != nil {
				t.Fatal(refusal, err)
			}
		}
		if refusal, _ := begin(sessions.MethodEmail); refusal.Reason != sessions.RefusedTooOften || refusal.RetryAfter != 30*time.Second {
			t.Errorf("the ninth at once: %+v", refusal)
		}
		if p.begun != begun+8 {
			t.Errorf("the centre was asked %d times", p.begun-begun)
		}

		for err, want := range map[error]sessions.Reason{
			sessions.ErrUnreachable:                              sessions.RefusedCentreAway,
			&sessions.Refusal{Reason: sessions.RefusedAnswer}:    sessions.RefusedAnswer,
			&sessions.Refusal{Reason: sessions.RefusedProofOver}: sessions.RefusedProofOver,
		} {
			p.err = err
			if _, refusal, err := login(stationA, sessions.MethodEmail); refusal.Reason != want {
				t.Errorf("%v: %+v, want %s", err, refusal, want)
			}
		}
		p.err = sessions.ErrProofPending
		if _, _, err := login(stationA, sessions.MethodEmail); !errors.Is(err, sessions.ErrProofPending) {
			t.Errorf("pending: %v", err)
		}
		p.err = nil
		p.account.Active = false
		if _, refusal, _ := login(stationA, sessions.MethodEmail); refusal.Reason != sessions.RefusedInactive {
			t.Errorf("an account that is switched off: %+v", refusal)
		}
		p.account.Active = true
		s, refusal, err := login(stationA, sessions.MethodEmail)
		if err != nil || refusal.Reason != "" {
			t.Fatal(refusal, err)
		}
		if s.Username != "a@example.net" || s.UserID != 7 || s.TermsVersion != z.TermsVersion || s.Limits.SessionTimeout != time.Hour {
			t.Errorf("session %+v", s)
		}
		if p.asked != [2]sessions.Password{"t", "123456"} {
			t.Errorf("asked %v", p.asked)
		}

		p.err = &sessions.Refusal{Reason: sessions.RefusedAnswer} // whoever guesses on has to wait
		for range 8 {
			_, refusal, _ = login(stationB, sessions.MethodEmail)
		}
		if _, refusal, _ = login(stationB, sessions.MethodEmail); refusal.Reason != sessions.RefusedTooOften {
			t.Errorf("the ninth guess: %+v", refusal)
		}
	})
}
