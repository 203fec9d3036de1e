package central

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"gatehouse/api/admin"
	"gatehouse/central/acme"
	"gatehouse/central/store"
)

const (
	certificatesKind  = "certificates" // of settings
	certificatesEvery = 2 * time.Second
	certificateTime   = 12 * time.Minute // of an attempt; what the DNS and the ACME server may take is in it
	certificateLife   = 15 * time.Minute // after which another process takes over an order
	mostIssuing       = 4                // attempts at once
	// Public servers let five checks of a name fail in an hour.
	firstCertificateRetry   = 2 * time.Minute // twice as long after every failure
	longestCertificateRetry = 6 * time.Hour
)

var errNoSecrets = errors.New("the centre has no key for secrets: see --secrets-key")

// IssueCertificates gets the certificates that gateways asked for, until ctx ends. Any number of processes may do so: each order
// is one's at a time.
func (s *Server) IssueCertificates(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	room := make(chan struct{}, mostIssuing)
	for pause(ctx, certificatesEvery) {
		for more := true; more && len(room) < mostIssuing; {
			order, err := s.cfg.Store.TakeCertificate(ctx, certificateLife)
			if more = err == nil; more {
				room <- struct{}{}
				running.Go(func() {
					defer func() { <-room }()
					s.issue(ctx, order)
				})
			} else if !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrUnavailable) && ctx.Err() == nil {
				s.cfg.Log.Error("looking for certificates to get", "err", err)
			}
		}
	}
	return nil
}

// issue makes one attempt and notes how it ended.
func (s *Server) issue(ctx context.Context, order store.Certificate) {
	within, cancel := context.WithTimeout(ctx, certificateTime)
	defer cancel()
	chain, leaf, err := s.obtain(within, order)
	switch {
	case err == nil:
		order.Next, order.Problem, order.Chain, order.NotAfter = nil, "", string(chain), &leaf.NotAfter
		s.cfg.Log.Info("a certificate was issued", "gateway", order.Gateway, "name", order.Name, "until", leaf.NotAfter)
	case ctx.Err() != nil: // this process ends; another may go on at once
		order.Next = new(s.cfg.Clock.Now())
	default:
		wait := longestCertificateRetry
		if n := order.Attempts - 1; n < 8 {
			wait = min(wait, firstCertificateRetry<<n)
		}
		order.Next = new(s.cfg.Clock.Now().Add(wait*3/4 + mathrand.N(wait/2)))
		order.Problem = fmt.Sprintf("%.1000s", strings.ToValidUTF8(err.Error(), "?"))
		s.cfg.Log.Warn("a certificate was not issued", "gateway", order.Gateway, "name", order.Name, "again", *order.Next, "err", err)
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), tryTime)
	defer cancel()
	if err := s.cfg.Store.SettleCertificate(late, order); err != nil {
		s.cfg.Log.Error("noting a certificate", "gateway", order.Gateway, "err", err)
	}
}

func (s *Server) obtain(ctx context.Context, order store.Certificate) (chain []byte, leaf *x509.Certificate, err error) {
	set, owner, err := s.cfg.Store.NearestSetting(ctx, order.Organization, certificatesKind)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, errors.New("the settings of certificates are gone")
	}
	if err != nil {
		return nil, nil, err
	}
	if domain := stringField(set.Body, "domain"); !strings.HasSuffix(order.Name, "."+domain) {
		return nil, nil, fmt.Errorf("the domain of the settings is %s now", domain)
	}
	csr, err := x509.ParseCertificateRequest(order.CSR)
	if err != nil {
		return nil, nil, fmt.Errorf("reading signing request: %w", err)
	}
	secret, err := s.settingSecret(owner, set)
	if err != nil {
		return nil, nil, err
	}
	account, provider, err := s.certificateSource(ctx, set, secret)
	if err != nil {
		return nil, nil, err
	}
	chain, leaf, err = s.issuer().Obtain(ctx, account, provider, csr)
	return chain, leaf, hide(err, secret)
}

// hide takes a secret out of the words of whoever repeats what was sent to him.
func hide(err error, secret string) error {
	if err == nil || secret == "" || !strings.Contains(err.Error(), secret) {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), secret, "[hidden]"))
}

func (s *Server) issuer() *acme.Issuer {
	client := s.out.client()
	client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: s.cfg.ACMEAuthorities}
	return &acme.Issuer{HTTP: client, Resolvers: s.cfg.Resolvers}
}

// certificateSource is what settings say: the account at the ACME server, and who makes records.
func (s *Server) certificateSource(ctx context.Context, v store.Setting, secret string) (acme.Account, acme.Provider, error) {
	m, err := readCertificates(v)
	if err != nil {
		return acme.Account{}, nil, err
	}
	o := acme.Options{Kind: m.Provider, Secret: secret, HTTP: s.issuer().HTTP, Dialer: s.out.dialer(tryTime)}
	if m.Server != nil {
		o.Server = *m.Server
	}
	if m.Username != nil {
		o.User = *m.Username
	}
	provider, err := acme.NewProvider(o)
	if err != nil {
		return acme.Account{}, nil, err
	}
	account := acme.Account{Directory: m.Directory}
	if m.Email != nil {
		account.Email = *m.Email
	}
	account.Key, err = s.acmeKey(ctx, v.Organization, m.Directory)
	return account, provider, err
}

// acmeKey is the key of an organisation's account at an ACME server, made when it is first needed.
func (s *Server) acmeKey(ctx context.Context, organization int64, directory string) (crypto.Signer, error) {
	if s.cfg.Secrets == nil {
		return nil, errNoSecrets
	}
	fresh, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(fresh)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	purpose := fmt.Sprintf("acme %d %s", organization, directory)
	sealed, err := s.cfg.Store.ACMEKey(ctx, organization, directory, s.cfg.Secrets.Seal(purpose, der))
	if err != nil {
		return nil, err
	}
	if der, err = s.cfg.Secrets.Open(purpose, sealed); err != nil {
		return nil, fmt.Errorf("reading the key of the account: %w", err)
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("reading the key of the account: %w", err)
	}
	return key.(*ecdsa.PrivateKey), nil
}

func readCertificates(v store.Setting) (admin.CertificateSettings, error) {
	m := admin.CertificateSettings{Directory: acme.LetsEncrypt, SecretSet: v.Sealed != nil, Updated: v.Updated, Version: v.Version}
	return m, json.Unmarshal(v.Body, &m)
}

func showCertificates(v store.Setting) (any, error) { return readCertificates(v) }

// checkCertificates holds what a provider needs together.
func (s *Server) checkCertificates(f *fields) {
	switch server, provider := f.text("server"), *f.text("provider"); {
	case provider == acme.Cloudflare && server != nil:
		f.wrong("server", "Cloudflare has none: leave it out.")
	case provider == acme.RFC2136 && (server == nil || strings.Contains(*server, "/")):
		f.wrong("server", "It must be the host of the DNS server, or host:port.")
	case provider == acme.HTTPReq && !isWebURL(server):
		f.wrong("server", "It must be an http or https URL, below which /present and /cleanup are.")
	}
	if s.cfg.Secrets == nil {
		f.wrong("secret", "The centre has no key to keep secrets with, the one of the ACME account among them: see --secrets-key.")
	}
}

func isWebURL(text *string) bool {
	if text == nil {
		return false
	}
	u, err := url.Parse(*text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}

// tryCertificates asks the ACME server for the account, and makes a record.
func (s *Server) tryCertificates(ctx context.Context, v store.Setting, secret string, _ *fields) error {
	account, provider, err := s.certificateSource(ctx, v, secret)
	if err != nil {
		return err
	}
	return s.issuer().Try(ctx, account, provider, stringField(v.Body, "domain"))
}
