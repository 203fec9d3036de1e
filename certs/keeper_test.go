package certs

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/internal/clock"
)

const (
	name  = "wifi.example.com"
	lease = 12 * time.Hour
)

var today = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// issuer is an authority, or one below it.
type issuer struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newRoot(t *testing.T) *issuer {
	t.Helper()
	root := &issuer{t: t}
	root.cert = &x509.Certificate{Subject: pkix.Name{CommonName: "root"}}
	return root.issue(root.cert, true)
}

// issue signs a certificate with what is missing filled in.
func (i *issuer) issue(c *x509.Certificate, isCA bool) *issuer {
	i.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		i.t.Fatal(err)
	}
	c.SerialNumber, c.BasicConstraintsValid, c.IsCA = big.NewInt(1), true, isCA
	c.KeyUsage = x509.KeyUsageDigitalSignature
	if isCA {
		c.KeyUsage |= x509.KeyUsageCertSign
	}
	if c.NotBefore.IsZero() {
		c.NotBefore = today.AddDate(0, 0, -10)
	}
	if c.NotAfter.IsZero() {
		c.NotAfter = today.AddDate(0, 0, 80)
	}
	signer := i.key
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, i.cert, key.Public(), signer)
	if err != nil {
		i.t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		i.t.Fatal(err)
	}
	return &issuer{i.t, parsed, key}
}

func (i *issuer) leaf(c x509.Certificate) *issuer {
	i.t.Helper()
	if c.DNSNames == nil {
		c.DNSNames = []string{name}
	}
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	return i.issue(&c, false)
}

// files are the certificate and its chain, and the key.
type files struct {
	Files
	t *testing.T
}

func newFiles(t *testing.T) *files {
	dir := t.TempDir()
	return &files{Files{Certificate: filepath.Join(dir, "portal.pem"), Key: filepath.Join(dir, "portal.key")}, t}
}

func (f *files) put(chain ...*issuer) {
	f.t.Helper()
	var text []byte
	for _, c := range chain {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.cert.Raw})...)
	}
	der, err := x509.MarshalPKCS8PrivateKey(chain[0].key)
	if err != nil {
		f.t.Fatal(err)
	}
	f.write(f.Certificate, text)
	f.write(f.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func (f *files) write(path string, text []byte) {
	f.t.Helper()
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		f.t.Fatal(err)
	}
}

type bench struct {
	*Keeper
	clock *clock.Fake
	log   *bytes.Buffer
}

func newBench(s Source, root *issuer, change func(*Config)) *bench {
	b := &bench{clock: clock.NewFake(today, "boot"), log: &bytes.Buffer{}}
	c := Config{Source: s, Name: name, Roots: x509.NewCertPool(), LeaseTime: lease, Clock: b.clock, Logger: slog.New(slog.NewTextHandler(b.log, nil))}
	if root != nil {
		c.Roots.AddCert(root.cert)
	}
	if change != nil {
		change(&c)
	}
	b.Keeper = New(c)
	return b
}

// TestWrong has a row per way in which a certificate is not what a guest's device accepts.
func TestWrong(t *testing.T) {
	root, other := newRoot(t), newRoot(t)
	below := root.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "below"}}, true)
	good := root.leaf(x509.Certificate{})
	self := &issuer{t: t}
	self.cert = &x509.Certificate{Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}}
	self = self.issue(self.cert, false)
	for what, c := range map[string]struct {
		put  func(f *files)
		want string // in Wrong; empty: good
	}{
		"good":         {func(f *files) { f.put(good) }, ""},
		"with a chain": {func(f *files) { f.put(below.leaf(x509.Certificate{}), below) }, ""},
		"wildcard":     {func(f *files) { f.put(root.leaf(x509.Certificate{DNSNames: []string{"*.example.com"}})) }, ""},
		"no files":     {func(*files) {}, "portal.pem: no such file or directory"},
		"no key":       {func(f *files) { f.put(good); _ = os.Remove(f.Key) }, "portal.key: no such file or directory"},
		"not PEM":      {func(f *files) { f.put(good); f.write(f.Certificate, []byte("hello")) }, "failed to find any PEM data"},
		"too large":    {func(f *files) { f.put(good); f.write(f.Certificate, make([]byte, maxFile+1)) }, "portal.pem is larger than 256 KiB"},
		"another key": {func(f *files) {
			f.put(good)
			chain, err := os.ReadFile(f.Certificate)
			f.put(other.leaf(x509.Certificate{}))
			f.write(f.Certificate, chain)
			if err != nil {
				f.t.Error(err)
			}
		}, "private key does not match"},
		"open key": {func(f *files) {
			f.put(good)
			if err := os.Chmod(f.Key, 0o644); err != nil {
				f.t.Error(err)
			}
		}, "portal.key can be read by everybody on this machine: chmod 0600 it"},
		"another name":   {func(f *files) { f.put(root.leaf(x509.Certificate{DNSNames: []string{"shop.example.com"}})) }, "not wifi.example.com: get one for portal.name"},
		"self-signed":    {func(f *files) { f.put(self) }, "it is self-signed, which no guest's device trusts"},
		"own authority":  {func(f *files) { f.put(other.leaf(x509.Certificate{}), other) }, "no authority that guests' devices trust vouches for it"},
		"chain is short": {func(f *files) { f.put(below.leaf(x509.Certificate{})) }, "put the intermediate certificates behind it"},
		"ended":          {func(f *files) { f.put(root.leaf(x509.Certificate{NotAfter: today.Add(-time.Second)})) }, "it ended at 2026-11-22T07:59:59Z: renew it"},
		"not yet": {func(f *files) { f.put(root.leaf(x509.Certificate{NotBefore: today.Add(time.Hour)})) },
			"it is valid only from 2026-11-22T09:00:00Z, and the clock says 2026-11-22T08:00:00Z"},
		"intermediate ended": {func(f *files) {
			old := root.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "old"}, NotAfter: today.Add(-time.Hour)}, true)
			f.put(old.leaf(x509.Certificate{}), old)
		}, "2026-11-22T08:00:00Z is after 2026-11-22T07:00:00Z"},
	} {
		t.Run(what, func(t *testing.T) {
			f := newFiles(t)
			c.put(f)
			b := newBench(&f.Files, root, nil)
			s := b.State()
			if !strings.Contains(s.Wrong, c.want) || s.Good != (c.want == "") || s.Announced != s.Good {
				t.Errorf("state %+v, want %q", s, c.want)
			}
			if served, err := b.Certificate(nil); (err == nil) != s.Good || (served != nil) != s.Good {
				t.Errorf("served %v, %v", served != nil, err)
			}
			if c.want != "" && !strings.Contains(b.log.String(), "plain HTTP") {
				t.Errorf("log: %s", b.log)
			}
		})
	}
}

func TestNoneYet(t *testing.T) {
	b := newBench(none{}, nil, nil)
	if got := b.State(); got.Good || strings.Contains(b.log.String(), "WARN") {
		t.Errorf("%+v\n%s", got, b.log)
	}
}

type none struct{}

func (none) Load() (*tls.Certificate, error) { return nil, ErrNone }

// TestAnnouncement: what a lease says must hold until the lease ends (RFC 8910), by the certificate and by its chain.
func TestAnnouncement(t *testing.T) {
	root := newRoot(t)
	end := today.Add(3 * lease)
	below := root.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "below"}, NotAfter: end}, true)
	for what, chain := range map[string][]*issuer{
		"certificate": {root.leaf(x509.Certificate{NotAfter: end})},
		"chain":       {below.leaf(x509.Certificate{}), below},
	} {
		f := newFiles(t)
		f.put(chain...)
		b := newBench(&f.Files, root, nil)
		type at struct {
			Good, Announced, Changed bool
		}
		var got []at
		for _, step := range []time.Duration{0, 2 * lease, time.Second, lease - time.Second, time.Second, 0} {
			b.clock.Advance(step)
			changed := b.Look()
			s := b.State()
			got = append(got, at{s.Good, s.Announced, changed})
		}
		want := []at{{true, true, false}, {true, true, false}, {true, false, true}, {true, false, false}, {false, false, true}, {false, false, false}}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
	}
}

// TestReload: Run serves a new file within seconds, tells that it is new, and does not serve what is no longer there.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root, f, changes := newRoot(t), newFiles(t), 0
		first := root.leaf(x509.Certificate{})
		f.put(first)
		b := newBench(&f.Files, root, func(c *Config) { c.Changed = func() { changes++ } })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- b.Run(ctx) }()
		served := func() []byte {
			time.Sleep(lookEvery + time.Millisecond)
			synctest.Wait()
			c, err := b.Certificate(nil)
			if err != nil {
				return nil
			}
			return c.Leaf.Raw
		}
		if !bytes.Equal(served(), first.cert.Raw) || changes != 0 {
			t.Errorf("the first is not served, or there are %d changes", changes)
		}
		second := root.leaf(x509.Certificate{NotAfter: today.AddDate(0, 0, 90)})
		f.put(second)
		if !bytes.Equal(served(), second.cert.Raw) || changes != 1 {
			t.Errorf("the second is not served, or there are %d changes", changes)
		}
		f.write(f.Certificate, []byte("half a file"))
		if served() != nil || changes != 2 {
			t.Errorf("a broken file is served, or there are %d changes", changes)
		}
		f.put(second)
		if served() == nil || changes != 3 {
			t.Errorf("a mended file is not served, or there are %d changes", changes)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
