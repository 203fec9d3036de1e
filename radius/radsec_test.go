package radius_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"testing"
	"time"

	layeh "layeh.com/radius"
	"layeh.com/radius/rfc2869"

	"gatehouse/radius"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, pool: x509.NewCertPool()}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pool.AddCert(a.cert)
	return a
}

func (a *authority) sign(commonName string, dns ...string) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: commonName}, DNSNames: dns,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// radsec listens with TLS; its clients need a certificate of the authority.
func (r *rig) radsec(ca *authority) *rig {
	r.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	r.addr = ln.Addr().String()
	cfg := radius.TLSConfig(ca.sign("", "radsec.example"), ca.pool)
	r.serve(func(ctx context.Context) error { return r.server.ServeTLS(ctx, ln, cfg) })
	return r
}

// secure is a client's side of RadSec.
func (r *rig) secure(ca *authority, certificates ...tls.Certificate) *tls.Conn {
	r.t.Helper()
	conn, err := tls.Dial("tcp", r.addr, &tls.Config{RootCAs: ca.pool, ServerName: "radsec.example", Certificates: certificates})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		r.t.Fatal(err)
	}
	return conn
}

// ended waits until the other side has closed the connection.
func ended(t *testing.T, conn net.Conn) {
	t.Helper()
	b, err := io.ReadAll(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection stays open")
	}
	if len(b) > 0 {
		t.Errorf("and %x came", b)
	}
}

func lobby() radius.Client { return radius.Client{Name: "lobby", Certificate: "lobby.example"} }

func TestRadSec(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	r := newRig(t, lobby()).radsec(ca)
	conn := r.secure(ca, ca.sign("", "x.example", "lobby.example"))
	var sent [][]byte
	for i := range 200 { // all at once, answered in any order
		sent = append(sent, encode(t, start("S1"), byte(i), radius.RadSecSecret))
	}
	for _, packet := range sent {
		if _, err := conn.Write(packet); err != nil {
			t.Fatal(err)
		}
	}
	answered := make(map[byte]bool)
	for range sent {
		answer, err := radius.ReadPacket(conn)
		if err != nil {
			t.Fatal(err)
		}
		if err := radius.VerifyResponse(answer, sent[answer[1]], radius.RadSecSecret); err != nil || answer[0] != byte(layeh.CodeAccountingResponse) {
			t.Fatalf("%v: %x", err, answer)
		}
		answered[answer[1]] = true
	}
	if kept := r.keeper.kept(); len(answered) != 200 || len(kept) != 200 || kept[0].Client.Name != "lobby" {
		t.Errorf("%d answered, %d kept", len(answered), len(kept))
	}
	old := r.secure(ca, ca.sign("lobby.example")) // a certificate with nothing but a common name
	if _, err := old.Write(sent[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := radius.ReadPacket(old); err != nil {
		t.Error(err)
	}
}

func TestRadSecKnowsItsClients(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	r := newRig(t, lobby()).radsec(ca)
	for name, certificates := range map[string][]tls.Certificate{
		"no certificate":    nil,
		"another name":      {ca.sign("lobby.example", "other.example")},
		"another authority": {newAuthority(t).sign("", "lobby.example")},
	} {
		conn := r.secure(ca, certificates...)
		_, _ = conn.Write(encode(t, start("S1"), 1, radius.RadSecSecret)) // it may be refused already
		if _, err := radius.ReadPacket(conn); err == nil {
			t.Errorf("%s: answered", name)
		}
	}
	r.stat("unknown_client", 3)
	conn := r.secure(ca, ca.sign("", "lobby.example"))
	r.server.SetClients(radius.NewClients(nil)) // while it is connected
	if _, err := conn.Write(encode(t, start("S1"), 1, radius.RadSecSecret)); err != nil {
		t.Fatal(err)
	}
	ended(t, conn)
	r.server.SetClients(radius.NewClients([]radius.Client{lobby()}))
	conn = r.secure(ca, ca.sign("", "lobby.example"))
	if _, err := conn.Write(encode(t, start("S1"), 1, radius.RadSecSecret)); err != nil {
		t.Fatal(err)
	}
	if _, err := radius.ReadPacket(conn); err != nil {
		t.Fatal(err)
	}
	r.clock.Advance(365 * 24 * time.Hour * 100) // its certificate is not for ever
	if _, err := conn.Write(encode(t, start("S1"), 2, radius.RadSecSecret)); err != nil {
		t.Fatal(err)
	}
	ended(t, conn)
	if kept := r.keeper.kept(); len(kept) != 1 {
		t.Errorf("kept %d records", len(kept))
	}
}

// TestRadSecEndsWhatItCannotServe: a connection ends at a packet that is none, at a wrong secret, and when a record could not
// be kept.
func TestRadSecEndsWhatItCannotServe(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	r := newRig(t, lobby()).radsec(ca)
	certificate := ca.sign("", "lobby.example")
	for name, packet := range map[string][]byte{"length": {4, 1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"too long": {4, 1, 0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, "secret": encode(t, start("S1"), 1, "other")} {
		t.Log(name)
		conn := r.secure(ca, certificate)
		if _, err := conn.Write(packet); err != nil {
			t.Fatal(err)
		}
		ended(t, conn)
	}
	r.keeper.setAway(true)
	conn, packet := r.secure(ca, certificate), encode(t, start("S1"), 1, radius.RadSecSecret)
	if _, err := conn.Write(packet); err != nil {
		t.Fatal(err)
	}
	ended(t, conn)
	r.keeper.setAway(false)
	conn = r.secure(ca, certificate)
	if _, err := conn.Write(packet); err != nil {
		t.Fatal(err)
	}
	if answer, err := radius.ReadPacket(conn); err != nil || radius.VerifyResponse(answer, packet, radius.RadSecSecret) != nil {
		t.Errorf("sent again: %v %x", err, answer)
	}
}

// TestRadSecRefusesByName: what is no accounting is refused with an answer, as silence would count as a dead server.
func TestRadSecRefusesByName(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	r := newRig(t, lobby()).radsec(ca)
	conn := r.secure(ca, ca.sign("", "lobby.example"))
	for code, want := range map[layeh.Code]layeh.Code{layeh.CodeAccessRequest: layeh.CodeAccessReject, layeh.CodeCoARequest: layeh.CodeCoANAK,
		layeh.CodeDisconnectRequest: layeh.CodeDisconnectNAK} {
		packet, err := layeh.New(code, []byte(radius.RadSecSecret)).Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(packet); err != nil {
			t.Fatal(err)
		}
		answer, err := radius.ReadPacket(conn)
		if err != nil || answer[0] != byte(want) || radius.VerifyResponse(answer, packet, radius.RadSecSecret) != nil {
			t.Errorf("%v: answer %x, %v", code, answer, err)
		}
	}
	status := layeh.New(layeh.CodeStatusServer, []byte(radius.RadSecSecret))
	status.Add(rfc2869.MessageAuthenticator_Type, make(layeh.Attribute, 16))
	packet, err := status.Encode()
	if err != nil {
		t.Fatal(err)
	}
	sum := hmac.New(md5.New, []byte(radius.RadSecSecret))
	sum.Write(packet)
	signed := append(packet[:22:22], sum.Sum(nil)...)
	if _, err := conn.Write(signed); err != nil {
		t.Fatal(err)
	}
	answer, err := radius.ReadPacket(conn)
	if err != nil || answer[0] != byte(layeh.CodeAccessAccept) || radius.VerifyResponse(answer, signed, radius.RadSecSecret) != nil {
		t.Errorf("Status-Server: answer %x, %v", answer, err)
	}
	if _, err := conn.Write(packet); err != nil { // anybody could have sent it
		t.Fatal(err)
	}
	ended(t, conn)
}
