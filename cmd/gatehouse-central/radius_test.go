package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse/radius"
)

const testKey = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

func TestRADIUSClientVerbs(t *testing.T) {
	_, db := database(t)
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(testKey), 0o600); err != nil {
		t.Fatal(err)
	}
	done(t, "migrate", "--database", db)
	done(t, "org", "create", "--database", db, "--short-name", "acme", "--name", "Acme")
	add := []string{"radius-client", "add", "--database", db, "--org", "acme", "--name"}
	made := strings.Split(done(t, append(add, "lobby", "--network", "192.0.2.7", "--secrets-key", key, "--quirks", "own_clock")...), "\n")
	if len(made) != 2 || made[0] != "1" || len(made[1]) < 20 {
		t.Errorf("add printed %q, want an id and a secret", made)
	}
	if got := done(t, append(add, "far", "--certificate", "far.example", "--nas-identifier", "gw9")...); got != "2" {
		t.Errorf("add printed %q, want an id", got)
	}
	for says, args := range map[string][]string{
		"--secrets-key": {"x", "--network", "192.0.2.9"}, "--network: ": {"x"}, "another client has this name": {"lobby", "--certificate", "b.example"},
		"--quirks: ": {"x", "--certificate", "c.example", "--quirks", "strange"}, "no organisation none": {"x", "--certificate", "d.example", "--org", "none"},
	} {
		if code, _, errOut := call(t, append(add, args...)...); code == exitDone || !strings.Contains(errOut, says) {
			t.Errorf("%v: exit %d, %q, want %q", args, code, errOut, says)
		}
	}
	list := done(t, "radius-client", "list", "--database", db, "--org", "acme")
	if !strings.Contains(list, "192.0.2.7/32") || !strings.Contains(list, "far.example") || strings.Contains(list, made[1]) {
		t.Errorf("list:\n%s", list)
	}
	done(t, "radius-client", "remove", "--database", db, "--org", "acme", "--id", "1")
	if list := done(t, "radius-client", "list", "--database", db); strings.Contains(list, "lobby") {
		t.Errorf("list:\n%s", list)
	}
	if code, _, errOut := call(t, "radius-client", "remove", "--database", db, "--org", "acme", "--id", "1"); code != exitFailed || !strings.Contains(errOut, "no RADIUS client 1") {
		t.Errorf("removed again: exit %d, %q", code, errOut)
	}
}

// certificates writes a certificate with its key, signed by itself, that is good for both sides, and returns it.
func certificates(t *testing.T, dir, name string) (cert, key string, pair tls.Certificate) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: encoded}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
}

var radiusAt = regexp.MustCompile(`msg="?serving (RADIUS|RadSec)"? addr=(\S+)`)

// serveRADIUS starts the program with both listeners and returns where they are.
func (c *centre) serveRADIUS(args ...string) map[string]string {
	c.t.Helper()
	c.cmd = self(c.t.Context(), append([]string{"serve", "--database", c.db, "--listen", "127.0.0.1:0", "--drain", "0s", "--radius", "127.0.0.1:0"}, args...)...)
	c.cmd.Env = append(c.cmd.Env, "GATEHOUSE_SECRETS_KEY="+testKey)
	stderr, err := c.cmd.StderrPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	at := make(map[string]string)
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		if m := radiusAt.FindStringSubmatch(lines.Text()); m != nil {
			at[m[1]] = m[2]
		}
		if m := servingAt.FindStringSubmatch(lines.Text()); m != nil {
			c.url = "http://" + m[1]
		}
		if strings.Contains(lines.Text(), "RADIUS clients read") {
			go io.Copy(io.Discard, stderr)
			return at
		}
	}
	c.t.Fatal("it never served")
	return nil
}

// TestRADIUSKilled kills the program while a NAS sends over UDP and one over TLS, again and again. What was answered is there after the
// kill, and once everything is answered every session is there once.
func TestRADIUSKilled(t *testing.T) {
	_, db := database(t)
	t.Setenv("GATEHOUSE_SECRETS_KEY", testKey)
	done(t, "migrate", "--database", db)
	done(t, "org", "create", "--database", db, "--short-name", "acme", "--name", "Acme")
	made := done(t, "radius-client", "add", "--database", db, "--org", "acme", "--name", "udp", "--network", "127.0.0.1")
	_, secret, _ := strings.Cut(made, "\n")
	done(t, "radius-client", "add", "--database", db, "--org", "acme", "--name", "tls", "--certificate", "radsec.example")
	cert, key, pair := certificates(t, t.TempDir(), "radsec.example")
	authorities := x509.NewCertPool()
	if pem, err := os.ReadFile(cert); err != nil || !authorities.AppendCertsFromPEM(pem) {
		t.Fatal(err)
	}
	c := &centre{t: t, db: db, token: map[string]string{"admin": done(t, "token", "create", "--database", db, "--org", "acme", "--role", "admin")}}
	radsec := []string{"--radsec", "127.0.0.1:0", "--radsec-cert", cert, "--radsec-key", key, "--radsec-ca", cert}
	dial := map[string]func(addr string) (net.Conn, error){
		"RADIUS": func(addr string) (net.Conn, error) { return net.Dial("udp", addr) },
		"RadSec": func(addr string) (net.Conn, error) {
			return tls.Dial("tcp", addr, &tls.Config{RootCAs: authorities, ServerName: "radsec.example", Certificates: []tls.Certificate{pair}})
		}}
	secrets := map[string]radius.Secret{"RADIUS": radius.Secret(secret), "RadSec": radius.RadSecSecret}
	const sessions, kills = 60, 5
	answered := make(map[string]bool)
	for round := range kills + 1 {
		at := c.serveRADIUS(radsec...)
		if round > 0 {
			got := c.all("/api/v1/aaa_accounting/", "acctsessionid")
			for id := range answered {
				if got[id] != 1 {
					t.Fatalf("session %s was answered and is there %d times after the kill", id, got[id])
				}
			}
		}
		last, patience := round == kills, 20*time.Second
		if !last {
			patience = time.Second // nobody says that a UDP server is dead
			victim := c.cmd
			time.AfterFunc(time.Duration(20+60*round)*time.Millisecond, func() { _ = victim.Process.Signal(syscall.SIGKILL) })
		}
		for way := range dial {
			if err := deliver(dial[way], at[way], secrets[way], way, sessions, answered, patience); err != nil && last {
				t.Fatal(err)
			}
		}
		if !last {
			_ = c.cmd.Wait() // it was killed
		}
	}
	got := c.all("/api/v1/aaa_accounting/", "acctsessionid")
	for id, n := range got {
		if n != 1 {
			t.Errorf("session %s is there %d times", id, n)
		}
	}
	if len(got) != 2*sessions {
		t.Errorf("%d sessions, want %d", len(got), 2*sessions)
	}
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("stopped by SIGTERM: %v", err)
	}
}

// deliver sends the Starts that are not answered yet, one after the other.
func deliver(dial func(string) (net.Conn, error), addr string, secret radius.Secret, way string, sessions int, answered map[string]bool, patience time.Duration) error {
	conn, err := dial(addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	for n := range sessions {
		id := fmt.Sprint(way, n)
		if answered[id] {
			continue
		}
		a := radius.Accounting{StatusType: radius.Start, SessionID: id, NASIPAddress: netip.MustParseAddr("10.0.0.1"), EventTime: time.Now().Add(-time.Hour)}
		packet, err := a.Encode(byte(n), secret)
		if err != nil {
			return err
		}
		if _, err := conn.Write(packet); err != nil {
			return err
		}
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		answer, err := radius.ReadPacket(bufio.NewReader(conn))
		if err != nil {
			return err
		}
		if err := radius.VerifyResponse(answer, packet, secret); err != nil {
			return err
		}
		answered[id] = true
	}
	return nil
}
