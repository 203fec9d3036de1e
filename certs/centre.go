package certs

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"gatehouse/internal/clock"
)

// The waits of Centre.Run, each with jitter, so that the gateways of a venue do not all come at once.
const (
	askEvery     = 24 * time.Hour // whether the portal's name is still the same
	lookAgain    = time.Hour      // at the clock, which may have been set
	firstRetry   = time.Minute    // doubled after every failure
	longestRetry = time.Hour
	longestAsked = 24 * time.Hour // a longer wait that the centre asks for is not believed
)

// Answer is what the centre says about a certificate.
type Answer struct {
	Name    string        // of the portal; empty: the centre gives none
	Chain   string        // PEM, the leaf first; empty: there is none yet
	Wait    time.Duration // until it should be asked again; 0: as it likes
	Problem string        // why there is none, when an attempt failed
}

// CentreConfig is what a Centre needs. Nothing in it may be nil or zero.
type CentreConfig struct {
	Dir string // where keys and certificates are kept
	// Ask asks the centre: with a signing request for the certificate, without one for the name.
	Ask    func(ctx context.Context, csr []byte) (Answer, error)
	Clock  clock.Clock
	Logger *slog.Logger
	// Changed is called by Run when there is another certificate.
	Changed func()
}

// Centre is a Source: the certificate that the gateway's centre gets for a key that is made here and stays here. It is renewed
// when a third of its life is left, with a new key. The old one stays in place until the new one has come.
type Centre struct {
	files Files
	cfg   CentreConfig

	open     bool // the last attempt has not come to its end
	failures int
	told     string // the last problem, which is told once
}

// NewCentre makes a Centre. It asks nothing before Run.
func NewCentre(cfg CentreConfig) *Centre {
	path := filepath.Join(cfg.Dir, "portal.pem") // key and chain in one file change together
	return &Centre{files: Files{Certificate: path, Key: path}, cfg: cfg}
}

// Load implements Source.
func (c *Centre) Load() (*tls.Certificate, error) {
	cert, err := c.files.Load()
	if errors.Is(err, fs.ErrNotExist) {
		err = ErrNone
	}
	return cert, err
}

// Run gets certificates until ctx ends.
func (c *Centre) Run(ctx context.Context) error {
	var asked time.Duration // when the name was last compared
	for first := true; ctx.Err() == nil; first = false {
		now := c.cfg.Clock.Mono()
		leaf := c.leaf()
		wait := c.untilRenewal(leaf)
		if wait <= 0 || first || c.open || now-asked >= askEvery {
			wait = c.attempt(ctx, leaf, wait <= 0)
			asked = now
		}
		sleep(ctx, min(wait, lookAgain))
	}
	return nil
}

func (c *Centre) leaf() *x509.Certificate {
	own := Files{Certificate: c.files.Certificate, Key: c.files.Key} // c.files are Load's, which is another goroutine's
	cert, err := own.Load()
	if err != nil {
		return nil
	}
	return cert.Leaf
}

// untilRenewal is how long a certificate is to be used on; 0: it is to be renewed.
func (c *Centre) untilRenewal(leaf *x509.Certificate) time.Duration {
	if leaf == nil {
		return 0
	}
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	return max(0, leaf.NotBefore.Add(life-life/3).Sub(c.cfg.Clock.Now()))
}

// attempt asks the centre once, and returns how long to wait.
func (c *Centre) attempt(ctx context.Context, leaf *x509.Certificate, due bool) time.Duration {
	c.open = true
	a, err := c.cfg.Ask(ctx, nil)
	switch {
	case err != nil:
		return c.failed(err)
	case a.Name == "":
		c.tell("the centre has no domain for portals yet: see its settings of certificates")
		return jitter(bounded(a.Wait, longestRetry))
	case !due && leaf.VerifyHostname(a.Name) == nil:
		c.failures, c.open = 0, false
		return c.untilRenewal(leaf)
	}
	key, err := c.nextKey(leaf)
	if err != nil {
		return c.failed(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{a.Name}}, key)
	if err != nil {
		return c.failed(fmt.Errorf("making signing request: %w", err))
	}
	if a, err = c.cfg.Ask(ctx, csr); err != nil {
		return c.failed(err)
	}
	if a.Chain == "" {
		if a.Problem != "" {
			c.tell("the centre got no certificate: " + a.Problem)
		}
		return jitter(bounded(a.Wait, firstRetry))
	}
	if err := c.put(key, a); err != nil {
		return c.failed(err)
	}
	c.failures, c.told, c.open = 0, "", false
	c.cfg.Changed()
	return c.untilRenewal(c.leaf())
}

// bounded is a wait that the centre asks for, or another where it asks for none.
func bounded(wait, otherwise time.Duration) time.Duration {
	if wait <= 0 {
		wait = otherwise
	}
	return min(wait, longestAsked)
}

func (c *Centre) failed(err error) time.Duration {
	c.tell(err.Error())
	wait := longestRetry
	if c.failures < 6 {
		wait = firstRetry << c.failures
	}
	c.failures++
	return jitter(wait)
}

func (c *Centre) tell(problem string) {
	if problem != c.told {
		c.cfg.Logger.Warn("the portal's certificate", "error", problem)
	}
	c.told = problem
}

// nextKey is the key of the next certificate, the same until that has come, also after a restart.
func (c *Centre) nextKey(leaf *x509.Certificate) (*ecdsa.PrivateKey, error) {
	text, err := os.ReadFile(c.nextPath())
	if err == nil {
		if block, _ := pem.Decode(text); block != nil {
			if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
				if ec, ok := key.(*ecdsa.PrivateKey); ok && (leaf == nil || !ec.PublicKey.Equal(leaf.PublicKey)) {
					return ec, nil
				}
			}
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, plain(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // a damaged one is nobody's loss
	if err != nil {
		return nil, fmt.Errorf("making key: %w", err)
	}
	text, err = keyPEM(key)
	if err != nil {
		return nil, err
	}
	return key, write(c.nextPath(), text)
}

func (c *Centre) nextPath() string { return filepath.Join(c.cfg.Dir, "portal-next.key") }

func keyPEM(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// put puts a certificate in the place of the last one, if it is for this key and name.
func (c *Centre) put(key *ecdsa.PrivateKey, a Answer) error {
	text, err := keyPEM(key)
	if err != nil {
		return err
	}
	cert, err := tls.X509KeyPair([]byte(a.Chain), text)
	if err != nil {
		return fmt.Errorf("the certificate of the centre: %w", err)
	}
	if err := cert.Leaf.VerifyHostname(a.Name); err != nil {
		return fmt.Errorf("the certificate of the centre: %w", err)
	}
	if err := write(c.files.Certificate, bytes.Join([][]byte{text, []byte(a.Chain)}, nil)); err != nil {
		return err
	}
	if err := os.Remove(c.nextPath()); err != nil { // it is in use: the next certificate gets another
		return plain(err)
	}
	return nil
}

// write replaces a file as a whole; it is on the disk when write returns.
func write(path string, text []byte) (err error) {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return plain(err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return plain(err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// jitter returns something between d and a quarter more.
func jitter(d time.Duration) time.Duration { return d + mathrand.N(d/4+1) }

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
