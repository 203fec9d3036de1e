package certs

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/internal/clock"
)

// centre plays the gateway's centre.
type centre struct {
	t       *testing.T
	mu      sync.Mutex // held by the test but for the time that it lets pass
	root    *issuer
	clock   clock.Clock
	name    string
	life    time.Duration
	pending int    // how often it says so before there is a certificate
	away    bool   // it cannot be asked
	problem string // of its attempts
	keys    []*ecdsa.PublicKey
	asked   []time.Time // for certificates
}

func (c *centre) ask(_ context.Context, csr []byte) (Answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.away:
		return Answer{}, errors.New("nobody there")
	case csr == nil || c.name == "":
		return Answer{Name: c.name, Wait: time.Hour}, nil
	}
	c.asked = append(c.asked, c.clock.Now())
	r, err := x509.ParseCertificateRequest(csr)
	if err != nil || r.CheckSignature() != nil || len(r.DNSNames) != 1 || r.DNSNames[0] != c.name {
		c.t.Errorf("signing request %+v, %v", r, err)
	}
	key := r.PublicKey.(*ecdsa.PublicKey)
	if len(c.keys) == 0 || !key.Equal(c.keys[len(c.keys)-1]) {
		c.keys = append(c.keys, key)
	}
	if c.pending > 0 || c.problem != "" {
		c.pending--
		return Answer{Name: c.name, Wait: 10 * time.Second, Problem: c.problem}, nil
	}
	now := c.clock.Now()
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(now.Unix()), DNSNames: r.DNSNames, NotBefore: now, NotAfter: now.Add(c.life)},
		c.root.cert, key, c.root.key)
	if err != nil {
		c.t.Error(err)
	}
	return Answer{Name: c.name, Chain: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))}, nil
}

// order is a Centre that runs, with a Keeper over it.
type order struct {
	*Centre
	*centre
	keeper *Keeper
	log    bytes.Buffer
	stop   func()
}

// walking is a clock that goes with the bubble.
type walking struct{ *clock.Fake }

func (walking) Now() time.Time      { return time.Now() }
func (walking) Mono() time.Duration { return time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)) }

func newOrder(t *testing.T, dir string, change func(*centre)) *order {
	t.Helper()
	clk := walking{clock.NewFake(today, "boot")}
	root := &issuer{t: t}
	root.cert = &x509.Certificate{NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0)}
	o := &order{centre: &centre{t: t, root: root.issue(root.cert, true), clock: clk, name: name, life: 90 * 24 * time.Hour}}
	change(o.centre)
	log := slog.New(slog.NewTextHandler(&o.log, nil))
	roots := x509.NewCertPool()
	roots.AddCert(o.root.cert)
	o.Centre = NewCentre(CentreConfig{Dir: dir, Ask: o.ask, Clock: clk, Logger: log, Changed: func() { o.keeper.Look() }})
	o.keeper = New(Config{Source: o.Centre, Roots: roots, LeaseTime: lease, Clock: clk, Logger: log})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = o.Run(ctx) }()
	o.stop = func() { o.mu.Unlock(); cancel(); <-done; o.mu.Lock() }
	synctest.Wait()
	o.mu.Lock()
	return o
}

// after is some time later.
func (o *order) after(d time.Duration) {
	o.mu.Unlock()
	time.Sleep(d) // of the bubble
	synctest.Wait()
	o.mu.Lock()
}

// TestFromCentre walks through the life of a certificate: ordered, pending, in use, renewed with another key while the old one is served.
func TestFromCentre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		o := newOrder(t, dir, func(c *centre) { c.pending = 3 })
		defer func() { o.stop() }()
		if o.keeper.Name() != "" || o.keeper.State().Good || len(o.keys) != 1 {
			t.Fatalf("%q, %+v, %d keys", o.keeper.Name(), o.keeper.State(), len(o.keys))
		}
		o.after(40 * time.Second)
		first := o.keeper.State()
		if o.keeper.Name() != name || !first.Good || !first.Announced || len(o.keys) != 1 || len(o.asked) != 4 {
			t.Fatalf("%q, %+v, %d keys, asked %d times", o.keeper.Name(), first, len(o.keys), len(o.asked))
		}
		info, err := os.Stat(filepath.Join(dir, "portal.pem"))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatal(info, err)
		}
		o.after(59 * 24 * time.Hour)
		if len(o.asked) != 4 {
			t.Fatalf("it is renewed too early: %v", o.asked)
		}
		text, err := os.ReadFile(filepath.Join(dir, "portal.pem"))
		if err != nil {
			t.Fatal(err)
		}
		// As if the power had failed before the key that is in use by now was taken away.
		block, _ := pem.Decode(text)
		if err := write(filepath.Join(dir, "portal-next.key"), pem.EncodeToMemory(block)); err != nil {
			t.Fatal(err)
		}
		o.pending = 1 << 30
		o.after(2 * 24 * time.Hour)
		if s := o.keeper.State(); s != first || len(o.keys) != 2 {
			t.Fatalf("while the new one is awaited: %+v, %d keys", s, len(o.keys))
		}
		o.stop() // and the daemon begins anew
		keys := o.keys
		again := newOrder(t, dir, func(c *centre) { c.root, c.keys = o.root, keys })
		o = again
		o.after(time.Minute)
		if s := o.keeper.State(); !s.Good || !s.NotAfter.After(first.NotAfter) || len(o.keys) != 2 {
			t.Fatalf("after renewal %+v, %d keys", s, len(o.keys))
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
			t.Errorf("files %v, %v", left, err)
		}
	})
}

// TestFromCentreFails: a centre that is away, without a domain, with another one, with answers for others.
func TestFromCentreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOrder(t, t.TempDir(), func(c *centre) { c.away = true })
		defer func() { o.stop() }()
		o.after(24 * time.Hour)
		if n := strings.Count(o.log.String(), "nobody there"); n != 1 {
			t.Errorf("told %d times:\n%s", n, &o.log)
		}
		o.away, o.name = false, ""
		o.after(2 * time.Hour)
		if !strings.Contains(o.log.String(), "no domain for portals") || len(o.asked) != 0 {
			t.Errorf("%v\n%s", o.asked, &o.log)
		}
		o.name, o.problem = name, "REFUSED"
		o.after(2 * time.Hour)
		if !strings.Contains(o.log.String(), "got no certificate: REFUSED") || len(o.keys) != 1 {
			t.Errorf("%d keys\n%s", len(o.keys), &o.log)
		}
		o.problem = ""
		o.after(time.Hour)
		if !o.keeper.State().Good || o.keeper.Name() != name {
			t.Errorf("%+v\n%s", o.keeper.State(), &o.log)
		}
		o.name, o.pending = "lobby.elsewhere.example", 3
		o.after(25 * time.Hour)
		if !o.keeper.State().Good || o.keeper.Name() != o.name || len(o.keys) != 2 {
			t.Errorf("another domain: %q, %+v, %d keys\n%s", o.keeper.Name(), o.keeper.State(), len(o.keys), &o.log)
		}
	})
}

// TestFromCentreDoubtful: what comes is not for this key or name.
func TestFromCentreDoubtful(t *testing.T) {
	root := newRoot(t)
	other := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.leaf(x509.Certificate{}).cert.Raw}))
	log := &bytes.Buffer{}
	c := NewCentre(CentreConfig{Dir: t.TempDir(), Clock: clock.NewFake(today, "boot"), Logger: slog.New(slog.NewTextHandler(log, nil)),
		Ask:     func(context.Context, []byte) (Answer, error) { return Answer{Name: name, Chain: other}, nil },
		Changed: func() { t.Error("it is used") }})
	if wait := c.attempt(t.Context(), nil, true); wait < firstRetry || !strings.Contains(log.String(), "private key does not match") {
		t.Errorf("%s\n%s", wait, log)
	}
	if _, err := c.Load(); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
}
