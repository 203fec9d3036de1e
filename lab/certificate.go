package lab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// makeAuthority makes a certificate authority for this lab, in CA and CAFile.
func (l *Lab) makeAuthority() error {
	l.authority = &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "gatehouse lab CA"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(0, 1, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	var err error
	if l.authorityKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, l.authority, l.authority, l.authorityKey.Public(), l.authorityKey)
	if err != nil {
		return err
	}
	if l.authority, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	l.CA = x509.NewCertPool()
	l.CA.AddCert(l.authority)
	l.CAFile = filepath.Join(l.Dir, "ca.pem")
	return os.WriteFile(l.CAFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}

// Issue signs a server's certificate for names and addresses, and returns it and its key as PEM.
func (l *Lab) Issue(notAfter time.Time, names ...string) (certificate, key []byte, err error) {
	server := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: "a server of the lab"},
		NotBefore:    l.authority.NotBefore,
		NotAfter:     notAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			server.IPAddresses = append(server.IPAddresses, ip)
		} else {
			server.DNSNames = append(server.DNSNames, n)
		}
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, server, l.authority, private.Public(), l.authorityKey)
	if err != nil {
		return nil, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), err
}

// makeCertificate makes the authority and the certificate of the lab's internet.
func (l *Lab) makeCertificate() (*tls.Certificate, error) {
	if err := l.makeAuthority(); err != nil {
		return nil, err
	}
	certificate, key, err := l.Issue(l.authority.NotAfter, "example", "*.example", "*.example.com", "*.example.org", "www.google.com",
		WebAddr4, WebAddr6, GardenAddr4, GardenAddr6, CentreAddr4, CentreAddr6)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certificate, key)
	return &pair, err
}
