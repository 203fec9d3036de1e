package acme

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// LetsEncrypt is the directory of the public ACME server that most people use.
const LetsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"

const (
	recordTTL = time.Minute // the least that common DNS services take
	// PropagationTime is how long a record in the DNS may take until all can see it.
	PropagationTime = 5 * time.Minute
)

// Account is who asks an ACME server. The server's terms have been agreed to.
type Account struct {
	Directory string // URL
	Email     string // may be empty
	Key       crypto.Signer
}

// Issuer gets certificates. It may be used by many at once.
type Issuer struct {
	HTTP *http.Client // must not be nil
	// Resolvers are DNS servers, address and port, that are asked where a zone begins and whether a record is there. Default: the
	// system's, and for records those of the zone.
	Resolvers []string
}

// Obtain gets a certificate for the names of a signing request: PEM, the leaf first.
func (i *Issuer) Obtain(ctx context.Context, a Account, p Provider, csr *x509.CertificateRequest) (chain []byte, leaf *x509.Certificate, err error) {
	client, account, err := i.login(ctx, a)
	if err != nil {
		return nil, nil, err
	}
	ac := acmez.Client{Client: client, ChallengeSolvers: map[string]acmez.Solver{acme.ChallengeTypeDNS01: i.solver(p)}}
	params, err := acmez.OrderParametersFromCSR(account, csr)
	if err != nil {
		return nil, nil, fmt.Errorf("reading signing request: %w", err)
	}
	chains, err := ac.ObtainCertificate(ctx, params)
	if err != nil {
		return nil, nil, fmt.Errorf("ordering certificate: %w", err)
	}
	if len(chains) == 0 {
		return nil, nil, errors.New("ordering certificate: the server gave none")
	}
	leaf, err = check(chains[0].ChainPEM, csr)
	return chains[0].ChainPEM, leaf, err
}

// check tells whether a chain begins with a certificate for what was asked for.
func check(chain []byte, csr *x509.CertificateRequest) (*x509.Certificate, error) {
	block, _ := pem.Decode(chain)
	if block == nil {
		return nil, errors.New("the server's answer is no certificate")
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading certificate: %w", err)
	}
	if !bytes.Equal(leaf.RawSubjectPublicKeyInfo, csr.RawSubjectPublicKeyInfo) {
		return nil, errors.New("the server's certificate is for another key")
	}
	for _, name := range csr.DNSNames {
		if err := leaf.VerifyHostname(name); err != nil {
			return nil, fmt.Errorf("the server's certificate: %w", err)
		}
	}
	return leaf, nil
}

// Try looks whether the ACME server knows the account and whether a record can be made below the domain and seen.
func (i *Issuer) Try(ctx context.Context, a Account, p Provider, domain string) (err error) {
	if _, _, err := i.login(ctx, a); err != nil {
		return err
	}
	s := i.solver(p)
	challenge := acme.Challenge{Identifier: acme.Identifier{Type: "dns", Value: "gatehouse-test." + domain}, KeyAuthorization: rand.Text()}
	if err := s.Present(ctx, challenge); err != nil {
		return fmt.Errorf("making a record in the DNS: %w", err)
	}
	defer func() {
		if left := s.CleanUp(ctx, challenge); left != nil {
			err = errors.Join(err, fmt.Errorf("taking the record away: %w", left))
		}
	}()
	if err := s.Wait(ctx, challenge); err != nil {
		return fmt.Errorf("looking for the record in the DNS: %w", err)
	}
	return nil
}

func (i *Issuer) login(ctx context.Context, a Account) (*acme.Client, acme.Account, error) {
	client := &acme.Client{Directory: a.Directory, HTTPClient: i.HTTP, UserAgent: "gatehouse", PollTimeout: PropagationTime}
	account := acme.Account{TermsOfServiceAgreed: true, PrivateKey: a.Key}
	if a.Email != "" {
		account.Contact = []string{"mailto:" + a.Email}
	}
	account, err := client.NewAccount(ctx, account) // or the one that this key has
	if err != nil {
		return nil, account, fmt.Errorf("asking the ACME server for an account: %w", err)
	}
	return client, account, nil
}

func (i *Issuer) solver(p Provider) *certmagic.DNS01Solver {
	return &certmagic.DNS01Solver{DNSManager: certmagic.DNSManager{DNSProvider: p, TTL: recordTTL, PropagationTimeout: PropagationTime, Resolvers: i.Resolvers}}
}
