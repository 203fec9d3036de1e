package store

import (
	"errors"
	"testing"
	"time"
)

// TestOrdersOfCertificates: one order at a time, taken by one process at a time, and so many in a week.
func TestOrdersOfCertificates(t *testing.T) {
	s, scope := newStore(t)
	now := day
	s.now = func() time.Time { return now }
	ctx := t.Context()
	gw, err := s.Gateway(ctx, Token{Scope: scope}, "gw1")
	if err != nil {
		t.Fatal(err)
	}
	order := func(key string) (Certificate, error) {
		return s.OrderCertificate(ctx, gw, "a.test", []byte(key), []byte("csr "+key))
	}
	for i, key := range []string{"1", "2", "3", "4", "5"} {
		if _, err := order("lost " + key); err != nil {
			t.Fatal(err)
		}
		if c, err := order(key); err != nil || c.Next == nil || string(c.CSR) != "csr "+key {
			t.Fatalf("%+v, %v", c, err)
		}
		taken, err := s.TakeCertificate(ctx, time.Minute)
		if err != nil || string(taken.KeyHash) != key || taken.Attempts != 1 {
			t.Fatalf("taken %+v, %v", taken, err)
		}
		if again, err := s.TakeCertificate(ctx, time.Minute); !errors.Is(err, ErrNotFound) {
			t.Fatalf("taken twice: %+v, %v", again, err)
		}
		taken.Next, taken.Chain, taken.NotAfter = nil, "chain "+key, new(now.Add(time.Hour))
		if i == 0 { // the key changes while the certificate is on its way
			late := taken
			if _, err := order("other"); err != nil {
				t.Fatal(err)
			}
			if err := s.SettleCertificate(ctx, late); err != nil {
				t.Fatal(err)
			}
			if c, err := order("other"); err != nil || c.Chain != "" {
				t.Fatalf("a certificate for another key: %+v, %v", c, err)
			}
			if taken, err = s.TakeCertificate(ctx, time.Minute); err != nil || string(taken.KeyHash) != "other" {
				t.Fatalf("taken %+v, %v", taken, err)
			}
			taken.Next, taken.Chain, taken.NotAfter = nil, "chain "+key, new(now.Add(time.Hour))
		}
		if err := s.SettleCertificate(ctx, taken); err != nil {
			t.Fatal(err)
		}
		if c, err := s.OrderCertificate(ctx, gw, "a.test", taken.KeyHash, nil); err != nil || c.Chain != "chain "+key {
			t.Fatalf("%+v, %v", c, err)
		}
		now = now.Add(time.Hour)
	}
	var enough *TooManyCertificatesError
	if _, err := order("6"); !errors.As(err, &enough) || enough.Wait != certificatesTime-5*time.Hour {
		t.Fatalf("error %v", err)
	}
	now = now.Add(enough.Wait)
	if _, err := order("6"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.RevokeGateway(ctx, gw.Scope, gw.ID); err != nil {
		t.Fatal(err)
	}
	if c, err := s.TakeCertificate(ctx, time.Minute); !errors.Is(err, ErrNotFound) {
		t.Fatalf("the order of a revoked gateway: %+v, %v", c, err)
	}
}
