package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"gatehouse/internal/clock"
)

// lookEvery is how soon a new certificate is served, and how late the end of an old one is noticed.
const lookEvery = 5 * time.Second

// Config is what a Keeper needs. Fields must not be nil or zero unless said so.
type Config struct {
	Source Source
	Name   string // DNS name of the portal; empty: the one that the certificate is for
	// Roots are what guests' devices are believed to trust. Default: the machine's.
	Roots *x509.CertPool
	// LeaseTime is how long a device may go by what DHCP once told it.
	LeaseTime time.Duration
	Clock     clock.Clock
	Logger    *slog.Logger
	// Changed is called by Run after State changed. Default: nothing.
	Changed func()
}

// State is how it stands with the portal's certificate.
type State struct {
	// Good: a device that trusts the roots opens https://NAME without a warning now.
	Good bool
	// Announced: it will also do so at the end of a lease that is given out now.
	Announced bool
	NotAfter  time.Time // of the certificate, also of one that is not good; zero: there is none
	Wrong     string    // why it is not good; empty when it is
}

// Keeper keeps the portal's certificate. Its methods are safe for concurrent use.
type Keeper struct {
	cfg Config

	looking sync.Mutex // one Look at a time

	mu          sync.Mutex
	state       State
	name        string           // of the portal; empty: not known yet
	certificate *tls.Certificate // nil unless state.Good
}

// New makes a Keeper that has looked once.
func New(cfg Config) *Keeper {
	if cfg.Changed == nil {
		cfg.Changed = func() {}
	}
	k := &Keeper{cfg: cfg, name: cfg.Name}
	k.Look()
	return k
}

// Run looks for changes until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if k.Look() {
				k.cfg.Changed()
			}
		}
	}
}

// Name is the portal's DNS name; empty while only a certificate that has not come yet could tell it.
func (k *Keeper) Name() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.name
}

// State is how it stands now.
func (k *Keeper) State() State {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.state
}

// errNotGood ends handshakes: a device must not be asked to accept what it does not trust.
var errNotGood = errors.New("no certificate that is good for the portal's name")

// Certificate is for tls.Config.GetCertificate.
func (k *Keeper) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.certificate == nil {
		return nil, errNotGood
	}
	return k.certificate, nil
}

// Look takes what the source has now, and tells whether State is another than before. Run calls it often enough; a source
// that has something new may have it called at once.
func (k *Keeper) Look() bool {
	k.looking.Lock()
	defer k.looking.Unlock()
	c, err := k.cfg.Source.Load()
	s, name := State{}, k.Name()
	if err == nil && k.cfg.Name == "" && len(c.Leaf.DNSNames) > 0 {
		name = strings.ToLower(c.Leaf.DNSNames[0])
	}
	if err == nil {
		s.NotAfter = c.Leaf.NotAfter
		now := k.cfg.Clock.Now()
		if err = k.good(c, name, now); err == nil {
			s.Good, s.Announced = true, k.good(c, name, now.Add(k.cfg.LeaseTime)) == nil
		}
	}
	if err != nil {
		s.Wrong, c = err.Error(), nil
	}
	k.mu.Lock()
	was, first := k.state, k.state == State{}
	k.state, k.name, k.certificate = s, name, c
	k.mu.Unlock()
	if was == s {
		return false
	}
	k.tell(was, s, first, err)
	return true
}

func (k *Keeper) tell(was, s State, first bool, err error) {
	log := k.cfg.Logger.With("name", k.Name())
	switch {
	case errors.Is(err, ErrNone):
		log.Info("the portal has no certificate yet, and is plain HTTP until then")
	case !s.Good:
		log.Warn("the portal is plain HTTP: its certificate is not good", "error", s.Wrong)
	case first || !was.Good || !was.NotAfter.Equal(s.NotAfter):
		log.Info("the portal has HTTPS", "until", s.NotAfter, "announced", s.Announced)
	case !s.Announced:
		log.Warn("the portal's certificate ends before a lease does: DHCP announces it no longer; renew it", "until", s.NotAfter)
	}
}

// good tells what a device would find wrong with a certificate at that time.
func (k *Keeper) good(c *tls.Certificate, name string, at time.Time) error {
	o := x509.VerifyOptions{DNSName: name, Roots: k.cfg.Roots, Intermediates: x509.NewCertPool(), CurrentTime: at}
	for _, der := range c.Certificate[1:] {
		if i, err := x509.ParseCertificate(der); err == nil {
			o.Intermediates.AddCert(i)
		}
	}
	_, err := c.Leaf.Verify(o)
	return explain(c.Leaf, err, at)
}

// explain says it in the operator's words, with the mend.
func explain(leaf *x509.Certificate, err error, at time.Time) error {
	var name x509.HostnameError
	var stranger x509.UnknownAuthorityError
	var noRoots x509.SystemRootsError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &noRoots):
		return errors.New("this machine has no certificates of authorities to check it by: install ca-certificates (OpenWrt: ca-bundle), or name a file in portal.ca_file")
	case at.Before(leaf.NotBefore):
		return fmt.Errorf("it is valid only from %s, and the clock says %s", leaf.NotBefore.UTC().Format(time.RFC3339), at.UTC().Format(time.RFC3339))
	case at.After(leaf.NotAfter):
		return fmt.Errorf("it ended at %s: renew it", leaf.NotAfter.UTC().Format(time.RFC3339))
	case errors.As(err, &name):
		return fmt.Errorf("%w: get one for portal.name", err)
	case errors.As(err, &stranger) && string(leaf.RawIssuer) == string(leaf.RawSubject):
		return errors.New("it is self-signed, which no guest's device trusts: get one from a public authority")
	case errors.As(err, &stranger):
		return fmt.Errorf("no authority that guests' devices trust vouches for it (%w): put the intermediate certificates behind it in the file; the roots of an authority of your own go into portal.ca_file", err)
	}
	return err
}
