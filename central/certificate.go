package central

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse/api/edge"
	"gatehouse/central/store"
)

// How long a gateway waits before it asks again: for a certificate that is on its way, and where there is none to be had.
const (
	askForCertificate = 5 * time.Second
	askForDomain      = time.Hour
)

// certificate tells a gateway the name of its portal, and takes its order of a certificate for it.
func (s *Server) certificate(c *call) (int, any, error) {
	var ask edge.CertificateRequest
	if err := json.NewDecoder(c.Body).Decode(&ask); err != nil {
		return 0, nil, malformed(http.StatusBadRequest, "The body is not a CertificateRequest in JSON.")
	}
	gw, err := s.gateway(c)
	if err != nil {
		return 0, nil, err
	}
	set, _, err := s.cfg.Store.NearestSetting(c.Context(), gw.Scope.Own(), certificatesKind)
	if errors.Is(err, store.ErrNotFound) {
		return http.StatusOK, edge.CertificateAnswer{State: edge.CertificateNone, RetryAfter: seconds(askForDomain)}, nil
	}
	if err != nil {
		return 0, nil, err
	}
	name := portalName(gw, stringField(set.Body, "domain"))
	if len(ask.CSR) == 0 {
		return http.StatusOK, edge.CertificateAnswer{State: edge.CertificateNone, Name: name}, nil
	}
	csr, err := readSigningRequest(ask.CSR, name)
	if err != nil {
		return 0, nil, err
	}
	key := sha256.Sum256(csr.RawSubjectPublicKeyInfo)
	got, err := s.cfg.Store.OrderCertificate(c.Context(), gw, name, key[:], ask.CSR)
	var enough *store.TooManyCertificatesError
	if errors.As(err, &enough) {
		return 0, nil, throttled(enough.Wait)
	}
	answer := edge.CertificateAnswer{State: edge.CertificateIssued, Name: name, Certificate: got.Chain}
	if got.Chain == "" {
		answer.State, answer.Problem, answer.RetryAfter = edge.CertificatePending, got.Problem, seconds(askForCertificate)
		if got.Problem != "" && got.Next != nil { // of the first attempt, which takes seconds, Next is when it is given up
			answer.RetryAfter = max(answer.RetryAfter, seconds(got.Next.Sub(s.cfg.Clock.Now())))
		}
	}
	return http.StatusOK, answer, err
}

// portalName is the name that a gateway's portal has: its NAS-Identifier as far as the DNS takes it, and its number, which no other
// gateway of this centre has, in any organisation.
func portalName(gw store.Gateway, domain string) string {
	number := "-" + strconv.FormatInt(gw.ID, 10)
	label := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(gw.NASIdentifier))
	label = strings.Trim(label[:min(len(label), maxLabel-len(number))], "-")
	if label == "" {
		label = "portal"
	}
	return label + number + "." + domain
}

const maxLabel = 63 // octets (RFC 1035 §2.3.4)

// readSigningRequest reads a request for exactly one name, signed with the key that it is for.
func readSigningRequest(der []byte, name string) (*x509.CertificateRequest, error) {
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, invalidField("csr", "This is no certificate signing request in DER.")
	}
	key, ok := csr.PublicKey.(*ecdsa.PublicKey)
	switch {
	case !ok || key.Curve != elliptic.P256():
		return nil, invalidField("csr", "The key must be one of P-256.")
	case csr.CheckSignature() != nil:
		return nil, invalidField("csr", "It is not signed with its key.")
	case !slices.Equal(csr.DNSNames, []string{name}) || len(csr.IPAddresses)+len(csr.EmailAddresses)+len(csr.URIs) > 0,
		csr.Subject.CommonName != "" && csr.Subject.CommonName != name:
		return nil, invalidField("csr", "It must be for "+name+" and nothing else.")
	}
	return csr, nil
}
