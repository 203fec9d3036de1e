package central

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/wneessen/go-mail"

	"gatehouse/api/admin"
)

// TestMailLogsInOverTLS: go-mail gives a password in PLAIN to a server that is encrypted from the start, although we dial.
func TestMailLogsInOverTLS(t *testing.T) {
	t.Parallel()
	web := httptest.NewTLSServer(http.NotFoundHandler())
	defer web.Close()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: web.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	said := make(chan string, 1)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "220 ready\r\n")
		for in := bufio.NewScanner(conn); in.Scan(); {
			switch verb, rest, _ := strings.Cut(in.Text(), " "); verb {
			case "EHLO":
				fmt.Fprint(conn, "250-hello\r\n250 AUTH PLAIN LOGIN\r\n")
			case "AUTH":
				said <- rest
				fmt.Fprint(conn, "235 welcome\r\n")
			default:
				fmt.Fprint(conn, "250 ok\r\n")
			}
		}
	}()
	s := &Server{out: outward{[]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}}
	port := ln.Addr().(*net.TCPAddr).Port
	dialer := s.out.encrypted(tryTime)
	dialer.Config = &tls.Config{RootCAs: x509.NewCertPool()}
	dialer.Config.RootCAs.AddCert(web.Certificate())
	options := append(s.mailOptions(admin.MailSettings{Port: port, Security: admin.SecurityTLS, Username: new("u")}, "secret", new(net.Conn)),
		mail.WithDialContextFunc(dialer.DialContext))
	client, err := mail.NewClient("127.0.0.1", options...)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.DialWithContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := <-said; !strings.HasPrefix(got, "PLAIN ") {
		t.Errorf("it logged in by %q", got)
	}
	_ = client.Close() // the server is ours
}
