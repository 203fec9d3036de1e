package central_test

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/api/admin"
)

// smtpServer takes mail as RFC 5321 has it, and refuses what is for refused@….
type smtpServer struct {
	net.Listener
	mu    sync.Mutex
	lines []string
}

func newSMTPServer(t *testing.T, cert *tls.Certificate) *smtpServer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &smtpServer{Listener: ln}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { s.serve(conn, cert) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		gone := make(chan struct{})
		go func() { wg.Wait(); close(gone) }()
		select {
		case <-gone:
		case <-time.After(10 * time.Second):
			t.Error("the centre has left a connection to the mail server open")
		}
	})
	return s
}

func (s *smtpServer) serve(conn net.Conn, cert *tls.Certificate) {
	defer func() { conn.Close() }()
	in := bufio.NewReader(conn)
	say := func(text string) { _, _ = io.WriteString(conn, text+"\r\n") }
	say("220 ready")
	inData := false
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		s.mu.Lock()
		s.lines = append(s.lines, line)
		s.mu.Unlock()
		verb, _, _ := strings.Cut(line, " ")
		switch {
		case inData && line == ".":
			inData = false
			say("250 queued")
		case inData:
		case verb == "EHLO" && cert != nil:
			say("250-hello\r\n250 STARTTLS")
		case verb == "STARTTLS":
			say("220 go on")
			conn = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{*cert}})
			in = bufio.NewReader(conn)
		case verb == "DATA":
			inData = true
			say("354 go on")
		case strings.HasPrefix(line, "RCPT TO:<refused@"):
			say("550 5.1.1 nobody here of that name")
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func (s *smtpServer) got(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(strings.Join(s.lines, "\n"), text)
}

func (c *centre) setting(status int, method, kind string, body any) reply {
	c.t.Helper()
	return c.want(status, ask{who: "acme admin", method: method, path: "/admin/v1/settings/" + kind + "/", body: body}, nil)
}

func (c *centre) try(kind string, body any) (result admin.TestResult) {
	c.t.Helper()
	c.want(http.StatusOK, ask{who: "acme admin", method: "POST", path: "/admin/v1/settings/" + kind + "/test/", body: body}, &result)
	return result
}

func wantTried(t *testing.T, got admin.TestResult, failure string) {
	t.Helper()
	switch {
	case failure == "" && (!got.OK || got.Error != nil):
		t.Errorf("failed: %v", *got.Error)
	case failure != "" && (got.OK || got.Error == nil || !strings.Contains(*got.Error, failure)):
		said := "nothing"
		if got.Error != nil {
			said = *got.Error
		}
		t.Errorf("it said %s, want an error with %q", said, failure)
	}
}

func TestMailSettings(t *testing.T) {
	c := newCentre(t, withSecrets(t), withLoopback)
	server := newSMTPServer(t, nil)
	body := map[string]any{"host": "127.0.0.1", "port": server.Addr().(*net.TCPAddr).Port, "security": "none", "from": "wifi@example.net", "from_name": "Hotel"}
	c.setting(http.StatusNotFound, "GET", "mail", nil)
	c.setting(http.StatusCreated, "PUT", "mail", body)
	wantTried(t, c.try("mail", map[string]any{"to": "guest@example.net"}), "")
	if !server.got("MAIL FROM:<wifi@example.net>") || !server.got("RCPT TO:<guest@example.net>") || !server.got("This is a test") {
		t.Errorf("the server got %q", server.lines)
	}
	wantTried(t, c.try("mail", map[string]any{"to": "refused@example.net"}), "nobody here of that name")

	body["password"], body["username"] = "mail-secret", "u"
	if r := c.setting(http.StatusBadRequest, "PUT", "mail", body); !strings.Contains(r.text, "in clear") {
		t.Error(r.text)
	}
	body["security"] = "starttls"
	c.setting(http.StatusOK, "PUT", "mail", body)
	wantTried(t, c.try("mail", map[string]any{"to": "guest@example.net"}), "STARTTLS")
	web := httptest.NewTLSServer(http.NotFoundHandler())
	defer web.Close()
	secure := newSMTPServer(t, &web.TLS.Certificates[0])
	body["port"] = secure.Addr().(*net.TCPAddr).Port
	c.setting(http.StatusOK, "PUT", "mail", body)
	wantTried(t, c.try("mail", map[string]any{"to": "guest@example.net"}), "certificate")
	body["host"] = "169.254.169.254"
	c.setting(http.StatusOK, "PUT", "mail", body)
	wantTried(t, c.try("mail", map[string]any{"to": "guest@example.net"}), "is not public")

	r := c.setting(http.StatusOK, "GET", "mail", nil)
	if strings.Contains(r.text, "mail-secret") || !strings.Contains(r.text, `"password_set":true`) {
		t.Error(r.text)
	}
	delete(body, "password")
	body["host"] = "mail.example.net"
	if r := c.setting(http.StatusBadRequest, "PUT", "mail", body); !strings.Contains(r.text, `"password":[`) {
		t.Error("the password goes elsewhere:", r.text)
	}
	body["host"], body["port"] = "169.254.169.254", 26
	if r := c.setting(http.StatusOK, "PUT", "mail", body); !strings.Contains(r.text, `"password_set":true`) || !strings.Contains(r.text, `"port":26`) {
		t.Error("the password did not stay:", r.text)
	}
	c.want(http.StatusPreconditionFailed, ask{who: "acme admin", method: "PUT", path: "/admin/v1/settings/mail/", body: body,
		header: map[string]string{"If-Match": r.header.Get("ETag")}}, nil)
	body["password"], body["username"] = nil, nil
	if r := c.setting(http.StatusOK, "PUT", "mail", body); !strings.Contains(r.text, `"password_set":false`) {
		t.Error(r.text)
	}
	for _, who := range []string{"acme staff", "acme readonly"} {
		c.want(http.StatusForbidden, ask{who: who, method: "GET", path: "/admin/v1/settings/mail/"}, nil)
	}
	c.want(http.StatusNotFound, ask{who: "globex admin", method: "GET", path: "/admin/v1/settings/mail/"}, nil)
	c.want(http.StatusNotFound, ask{who: "globex admin", method: "GET", path: "/admin/v1/settings/mail/?organization=acme"}, nil)
	c.setting(http.StatusNoContent, "DELETE", "mail", nil)
	c.setting(http.StatusNotFound, "DELETE", "mail", nil)
	if strings.Contains(c.log.String(), "mail-secret") {
		t.Error("a password is in the log")
	}
}

func TestSMSSettings(t *testing.T) {
	c := newCentre(t, withSecrets(t), withLoopback)
	answer := func(w http.ResponseWriter) { _, _ = io.WriteString(w, "OK 1 accepted") }
	var got []string
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got = append(got, r.Method+" "+r.URL.String()+" "+r.Header.Get("Authorization")+" "+r.Header.Get("Content-Type")+" "+string(b))
		answer(w)
	}))
	defer gateway.Close()
	body := map[string]any{"method": "POST", "url": gateway.URL + "/send?n={to}", "content_type": "application/json", "secret": `se"cret`,
		"headers": map[string]string{"Authorization": "Bearer {secret}"}, "body": `{"to":"{to}","text":"{text}","key":"{secret}"}`, "expect": "accepted"}
	c.setting(http.StatusCreated, "PUT", "sms", body)
	wantTried(t, c.try("sms", map[string]any{"to": "+15551234"}), "")
	want := `POST /send?n=%2B15551234 Bearer se"cret application/json {"to":"+15551234","text":"This is a test of gatehouse.","key":"se\"cret"}`
	if diff := cmp.Diff([]string{want}, got); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
	answer = func(w http.ResponseWriter) {
		w.WriteHeader(http.StatusPaymentRequired)
		_, _ = io.WriteString(w, `no credit for se"cret`)
	}
	r := c.try("sms", map[string]any{"to": "+15551234"})
	wantTried(t, r, "402 Payment Required: no credit for [hidden]")
	answer = func(w http.ResponseWriter) { _, _ = io.WriteString(w, "ERR 7") }
	wantTried(t, c.try("sms", map[string]any{"to": "+15551234"}), "ERR 7")
	answer = func(w http.ResponseWriter) {
		w.Header().Set("Location", "http://192.0.2.1/")
		w.WriteHeader(http.StatusFound)
	}
	wantTried(t, c.try("sms", map[string]any{"to": "+15551234"}), "302 Found")
	gateway.Close()
	wantTried(t, c.try("sms", map[string]any{"to": "+15551234"}), "connection refused")
	if r := c.setting(http.StatusOK, "GET", "sms", nil); strings.Contains(r.text, "cret\"") && strings.Contains(r.text, "se\\\"") {
		t.Error(r.text)
	}
}

func TestOIDCSettings(t *testing.T) {
	c := newCentre(t, withSecrets(t), withLoopback)
	var doc map[string]any
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/.well-known/openid-configuration" || doc == nil {
			http.NotFound(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(doc)
	}))
	defer provider.Close()
	c.setting(http.StatusCreated, "PUT", "oidc/work", map[string]any{"issuer": provider.URL, "client_id": "id", "client_secret": "shh-secret"})
	c.setting(http.StatusCreated, "PUT", "oidc/club", map[string]any{"issuer": "https://club.example.net", "client_id": "id", "scopes": []string{"openid"}})
	c.setting(http.StatusNotFound, "PUT", "oidc/No_Name", map[string]any{"issuer": "https://club.example.net", "client_id": "id"})
	wantTried(t, c.try("oidc/work", nil), "404 Not Found")
	doc = map[string]any{"issuer": provider.URL, "authorization_endpoint": "x", "token_endpoint": "x"}
	wantTried(t, c.try("oidc/work", nil), "no jwks_uri")
	doc["jwks_uri"], doc["issuer"] = "x", "https://other.example.net"
	wantTried(t, c.try("oidc/work", nil), "it calls itself https://other.example.net")
	doc["issuer"] = provider.URL + "/"
	wantTried(t, c.try("oidc/work", nil), "")
	var page admin.Page[admin.OIDCSettings]
	r := c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: "/admin/v1/settings/oidc/"}, &page)
	if len(page.Results) != 2 || page.Results[0].Name != "club" || page.Results[1].Name != "work" || !page.Results[1].ClientSecretSet ||
		fmt.Sprint(page.Results[0].Scopes, page.Results[1].Scopes) != "[openid] [openid email]" || strings.Contains(r.text, "shh-secret") {
		t.Error(r.text)
	}
}

func TestSettingsWithoutKey(t *testing.T) {
	c := newCentre(t)
	body := map[string]any{"issuer": "https://club.example.net", "client_id": "id"}
	c.setting(http.StatusCreated, "PUT", "oidc/club", body)
	body["client_secret"] = "x"
	if r := c.setting(http.StatusConflict, "PUT", "oidc/club", body); !strings.Contains(r.text, "--secrets-key") {
		t.Error(r.text)
	}
}

// TestSettingsStayOutside: without leave of the operator nothing that an administrator may name is reached where it is not public, whatever
// its name: neither this machine nor its neighbours, nor what tells a cloud's machines their secrets.
func TestSettingsStayOutside(t *testing.T) {
	t.Parallel()
	c := newCentre(t, withSecrets(t))
	inside, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			conn, err := inside.Accept()
			if err != nil {
				return
			}
			t.Error("something inside was reached")
			conn.Close()
		}
	})
	port := inside.Addr().(*net.TCPAddr).Port
	refused := func(kind string, body, try map[string]any) {
		t.Helper()
		if r := c.do(ask{who: "acme admin", method: "PUT", path: "/admin/v1/settings/" + kind + "/", body: body}); r.status/100 != 2 {
			t.Fatalf("%s %v: %d %s", kind, body, r.status, r.text)
		}
		wantTried(t, c.try(kind, try), "is not public")
	}
	mail := func(host, security string) map[string]any {
		return map[string]any{"host": host, "port": port, "security": security, "from": "wifi@example.net"}
	}
	to := map[string]any{"to": "guest@example.net"}
	for _, host := range []string{"localhost", "::ffff:127.0.0.1", "::1", "0.0.0.0", "10.0.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254",
		"fe80::1", "fd00:ec2::254", "224.0.0.1", "ff02::1", "64:ff9b::7f00:1", "2002:7f00:1::"} {
		refused("mail", mail(host, "none"), to)
	}
	at := inside.Addr().String()
	refused("mail", mail("127.0.0.1", "starttls"), to)
	refused("mail", mail("127.0.0.1", "tls"), to)
	for _, scheme := range []string{"http://", "https://"} {
		refused("sms", map[string]any{"url": scheme + at + "/?to={to}"}, map[string]any{"to": "+15551234"})
		refused("oidc/work", map[string]any{"issuer": scheme + at, "client_id": "id"}, nil)
	}
	refused("certificates", map[string]any{"directory": "https://" + at + "/", "domain": "wifi.example.net", "terms_agreed": true,
		"provider": "rfc2136", "server": at}, nil)
	inside.Close()
	accepting.Wait()
}
