package central

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/wneessen/go-mail"

	"gatehouse/api/admin"
	"gatehouse/central/store"
)

const testText = "This is a test of gatehouse."

// tryMail sends a mail to the address in the field to.
func (s *Server) tryMail(ctx context.Context, v store.Setting, password string, f *fields) error {
	return s.sendMail(ctx, v, password, *f.text("to"), "Test", testText+"\n")
}

// sendMail sends a mail of text alone. The headers are go-mail's to encode: no subject becomes two of them.
func (s *Server) sendMail(ctx context.Context, v store.Setting, password, to, subject, text string) error {
	var m admin.MailSettings
	if err := json.Unmarshal(v.Body, &m); err != nil {
		return err
	}
	msg := mail.NewMsg()
	name := ""
	if m.FromName != nil {
		name = *m.FromName
	}
	if err := errors.Join(msg.FromFormat(name, m.From), msg.To(to)); err != nil {
		return err
	}
	msg.Subject(subject)
	msg.SetDate()
	msg.SetMessageID()
	msg.SetBodyString(mail.TypeTextPlain, text)
	var conn net.Conn
	client, err := mail.NewClient(m.Host, s.mailOptions(m, password, &conn)...)
	if err != nil {
		return err
	}
	defer func() { // go-mail leaves it open where it fails before it has logged in
		if conn != nil {
			_ = conn.Close()
		}
	}()
	if err := client.DialWithContext(ctx); err != nil {
		return err
	}
	err = client.Send(msg)
	_ = client.Close() // the mail is theirs by now, however they say goodbye
	return err
}

// mailOptions keeps the connection that go-mail makes in conn.
func (s *Server) mailOptions(m admin.MailSettings, password string, conn *net.Conn) []mail.Option {
	dial := s.out.dialer(tryTime).DialContext
	if m.Security == admin.SecurityTLS {
		dial = s.out.encrypted(tryTime).DialContext
	}
	at := net.JoinHostPort(m.Host, strconv.Itoa(m.Port)) // go-mail puts no brackets around IPv6 addresses
	options := []mail.Option{mail.WithPort(m.Port), mail.WithTimeout(tryTime), mail.WithDialContextFunc(func(ctx context.Context, network, _ string) (_ net.Conn, err error) {
		*conn, err = dial(ctx, network, at)
		return *conn, err
	})}
	switch m.Security {
	case admin.SecurityTLS:
		// Where it may use STARTTLS go-mail looks whether the connection is encrypted already; told WithSSL it believes its own dialer only.
		options = append(options, mail.WithTLSPolicy(mail.TLSOpportunistic))
	case admin.SecurityStartTLS:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	default:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	}
	if m.Username != nil {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(*m.Username), mail.WithPassword(password))
	}
	return options
}

// trySMS sends a text message to the number in the field to.
func (s *Server) trySMS(ctx context.Context, v store.Setting, secret string, f *fields) error {
	return s.sendSMS(ctx, v, secret, *f.text("to"), testText)
}

func (s *Server) sendSMS(ctx context.Context, v store.Setting, secret, to, text string) error {
	shown, err := showSMS(v)
	if err != nil {
		return err
	}
	m := shown.(admin.SMSSettings)
	req, err := smsRequest(ctx, m, map[string]string{"{to}": to, "{text}": text, "{secret}": secret})
	if err != nil {
		return err
	}
	resp, err := s.out.client().Do(req)
	if err != nil {
		var inURL *url.Error // has the URL, and with it perhaps the secret
		if errors.As(err, &inURL) {
			err = inURL.Err
		}
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if resp.StatusCode/100 != 2 || m.Expect != nil && !strings.Contains(string(answer), *m.Expect) {
		return fmt.Errorf("it answered %s: %.500s", resp.Status, strings.ToValidUTF8(string(answer), "?"))
	}
	return nil
}

// smsRequest puts values into their places, escaped as each place wants it.
func smsRequest(ctx context.Context, m admin.SMSSettings, values map[string]string) (*http.Request, error) {
	fill := func(text string, escape func(string) string) string {
		var pairs []string
		for place, value := range values {
			pairs = append(pairs, place, escape(value))
		}
		return strings.NewReplacer(pairs...).Replace(text)
	}
	asIs := func(s string) string { return strings.NewReplacer("\r", "", "\n", "").Replace(s) }
	var body io.Reader
	contentType := "application/x-www-form-urlencoded"
	if m.ContentType != nil {
		contentType = *m.ContentType
	}
	if m.Body != nil {
		escape := url.QueryEscape
		switch {
		case strings.Contains(contentType, "json"):
			escape = inJSON
		case !strings.Contains(contentType, "urlencoded"):
			escape = asIs
		}
		body = strings.NewReader(fill(*m.Body, escape))
	}
	req, err := http.NewRequestWithContext(ctx, m.Method, fill(m.URL, url.QueryEscape), body)
	if err != nil {
		return nil, errors.New("the URL cannot be read")
	}
	if body != nil {
		req.Header.Set("Content-Type", contentType)
	}
	for name, value := range m.Headers {
		req.Header.Set(name, fill(value, asIs))
	}
	return req, nil
}

// inJSON is a text as it stands between the quotes of JSON.
func inJSON(s string) string {
	b, _ := json.Marshal(s) // a text
	return string(bytes.Trim(b, `"`))
}

// tryOIDC reads the provider's discovery document (OpenID Connect Discovery 1.0 §4).
func (s *Server) tryOIDC(ctx context.Context, v store.Setting, _ string, _ *fields) error {
	issuer := strings.TrimSuffix(stringField(v.Body, "issuer"), "/")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, issuer+"/.well-known/openid-configuration", nil)
	if err != nil {
		return err
	}
	resp, err := s.out.client().Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("its discovery document: %s answered %s", req.URL, resp.Status)
	}
	var doc map[string]any
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&doc); err != nil {
		return fmt.Errorf("its discovery document is not JSON: %w", err)
	}
	for _, name := range []string{"issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"} {
		if text, ok := doc[name].(string); !ok || text == "" {
			return fmt.Errorf("its discovery document has no %s", name)
		}
	}
	if got := strings.TrimSuffix(doc["issuer"].(string), "/"); got != issuer {
		return fmt.Errorf("it calls itself %s: the issuer must be that", got)
	}
	return nil
}
