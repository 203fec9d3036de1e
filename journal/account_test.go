package journal

import (
	"errors"
	"testing"
	"time"

	"gatehouse/sessions"
)

func TestAccounts(t *testing.T) {
	j := newJournal(t, Options{})
	hour, unlimited := time.Hour, time.Duration(0)
	anna := sessions.Account{
		Source: sessions.SourceLocal, Username: "anna", PasswordHash: "$argon2id$...", Active: true, Expiration: wall, Class: "vip",
		Limits: sessions.Limits{SessionTimeout: &hour, IdleTimeout: &unlimited},
	}
	other := sessions.Account{Source: sessions.SourceLocal, Username: "Anna"}
	must(t, j.PutAccount(t.Context(), other))
	must(t, j.PutAccount(t.Context(), sessions.Account{Username: "anna", PasswordHash: "old"}))
	must(t, j.PutAccount(t.Context(), anna))

	got, err := j.Account(t.Context(), "anna")
	must(t, err)
	equal(t, "account", anna, got)
	all, err := j.ListAccounts(t.Context())
	must(t, err)
	equal(t, "all accounts", []sessions.Account{other, anna}, all)

	must(t, j.DeleteAccount(t.Context(), "anna"))
	for _, name := range []string{"anna", "ANNA", "anna ", ""} {
		if _, err := j.Account(t.Context(), name); !errors.Is(err, sessions.ErrNoAccount) {
			t.Errorf("account %q: got %v, want ErrNoAccount", name, err)
		}
		if err := j.DeleteAccount(t.Context(), name); !errors.Is(err, sessions.ErrNoAccount) {
			t.Errorf("deleting %q: got %v, want ErrNoAccount", name, err)
		}
	}
}

func TestVerifiers(t *testing.T) {
	j := newJournal(t, Options{})
	if _, err := j.Verifier(t.Context(), "anna"); !errors.Is(err, sessions.ErrNoAccount) {
		t.Fatalf("got %v, want ErrNoAccount", err)
	}
	v := sessions.Verifier{Username: "anna", Hash: "first", CredentialVersion: 1, MadeAt: stamp(1)}
	must(t, j.SaveVerifier(t.Context(), v))
	v.Hash, v.CredentialVersion, v.MadeAt = "second", 2, sessions.Stamp{BootID: "b", Mono: 7}
	must(t, j.SaveVerifier(t.Context(), v))
	got, err := j.Verifier(t.Context(), "anna")
	must(t, err)
	equal(t, "verifier", v, got)
	token := sessions.Verifier{Username: "token#AbCd1234", Account: "anna", Hash: "third", MadeAt: stamp(2)}
	must(t, j.SaveVerifier(t.Context(), token))
	got, err = j.Verifier(t.Context(), token.Username)
	must(t, err)
	equal(t, "verifier of a token", token, got)
	must(t, j.DeleteVerifier(t.Context(), "anna"))
	if _, err := j.Verifier(t.Context(), token.Username); !errors.Is(err, sessions.ErrNoAccount) {
		t.Errorf("a token of a deleted user: %v", err)
	}
	must(t, j.DeleteVerifier(t.Context(), "anna"))
	if _, err := j.Verifier(t.Context(), "anna"); !errors.Is(err, sessions.ErrNoAccount) {
		t.Errorf("got %v, want ErrNoAccount", err)
	}
}

func TestSetPassword(t *testing.T) {
	j := newJournal(t, Options{})
	must(t, j.PutAccount(t.Context(), sessions.Account{Username: "ann", PasswordHash: "one", Active: true}))
	must(t, j.SetPassword(t.Context(), "ann", "one", "two"))
	for _, v := range [][2]string{{"ann", "one"}, {"nobody", "two"}} {
		if err := j.SetPassword(t.Context(), v[0], v[1], "three"); !errors.Is(err, sessions.ErrNoAccount) {
			t.Errorf("%v: %v", v, err)
		}
	}
	if a, err := j.Account(t.Context(), "ann"); err != nil || a.PasswordHash != "two" {
		t.Errorf("%q, %v", a.PasswordHash, err)
	}
}
