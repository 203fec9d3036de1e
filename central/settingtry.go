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
	"strings"
	"syscall"

	"github.com/wneessen/go-mail"

	"gatehouse/api/admin"
	"gatehouse/central/store"
)

const testText = "This is a test of gatehouse."

// tryMail sends a mail to the address in the field to.
func tryMail(ctx context.Context, v store.Setting, password string, f *fields) error {
	return sendMail(ctx, v, password, *f.text("to"), "Test", testText+"\n")
}

// sendMail sends a mail of text alone. The headers are go-mail's to encode: no subject becomes two of them.
func sendMail(ctx context.Context, v store.Setting, password, to, subject, text string) error {
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
	client, err := mail.NewClient(m.Host, mailOptions(m, password)...)
	if err != nil {
		return err
	}
	if err := client.DialWithContext(ctx); err != nil {
		return err
	}
	err = client.Send(msg)
	_ = client.Close() // the mail is theirs by now, however they say goodbye
	return err
}

func mailOptions(m admin.MailSettings, password string) []mail.Option {
	options := []mail.Option{mail.WithPort(m.Port), mail.WithTimeout(tryTime), mail.WithDialContextFunc(outward().DialContext)}
	switch m.Security {
	case admin.SecurityTLS:
		// Only with its own dialer go-mail knows that the connection is encrypted from the start.
		options = append(options[:2], mail.WithSSL())
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

// outward dials services. Addresses of the link alone are refused: on many clouds the machine's own secrets are there for the asking.
func outward() *net.Dialer {
	return &net.Dialer{Timeout: tryTime, Control: func(_, address string, _ syscall.RawConn) error {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return err
		}
		if ip := net.ParseIP(host); ip == nil || ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() {
			return fmt.Errorf("%s is no address of a service", host)
		}
		return nil
	}}
}

// outwardClient does not follow redirects: a secret goes to whom the setting names, and to nobody else.
func outwardClient() *http.Client {
	return &http.Client{Timeout: tryTime, Transport: &http.Transport{DialContext: outward().DialContext, TLSHandshakeTimeout: tryTime / 2,
		DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// trySMS sends a text message to the number in the field to.
func trySMS(ctx context.Context, v store.Setting, secret string, f *fields) error {
	return sendSMS(ctx, v, secret, *f.text("to"), testText)
}

func sendSMS(ctx context.Context, v store.Setting, secret, to, text string) error {
	shown, err := showSMS(v)
	if err != nil {
		return err
	}
	m := shown.(admin.SMSSettings)
	req, err := smsRequest(ctx, m, map[string]string{"{to}": to, "{text}": text, "{secret}": secret})
	if err != nil {
		return err
	}
	resp, err := outwardClient().Do(req)
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
func tryOIDC(ctx context.Context, v store.Setting, _ string, _ *fields) error {
	issuer := strings.TrimSuffix(stringField(v.Body, "issuer"), "/")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, issuer+"/.well-known/openid-configuration", nil)
	if err != nil {
		return err
	}
	resp, err := outwardClient().Do(req)
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
