package admin

import "time"

// The words of MailSettings.Security.
const (
	SecurityStartTLS = "starttls"
	SecurityTLS      = "tls"
	SecurityNone     = "none"
)

// MailSettings say how an organisation sends mail. Password is written and never shown.
type MailSettings struct {
	Host        string    `json:"host"`
	Port        int       `json:"port"`
	Security    string    `json:"security"`
	Username    *string   `json:"username"` // null: without authentication
	From        string    `json:"from"`     // address
	FromName    *string   `json:"from_name"`
	PasswordSet bool      `json:"password_set"`
	Updated     time.Time `json:"updated"`
	Version     int64     `json:"version"` // as in the ETag
}

// SMSSettings say how an organisation sends text messages: one HTTP request each. In URL, Headers and Body {to}, {text} and {secret}
// stand for number, message and secret, escaped as the place wants it. Secret is written and never shown.
type SMSSettings struct {
	Method      string            `json:"method"` // GET, POST
	URL         string            `json:"url"`
	ContentType *string           `json:"content_type"`
	Headers     map[string]string `json:"headers"`
	Body        *string           `json:"body"`
	Expect      *string           `json:"expect"` // what a good answer has in it, beside a status of 2xx
	SecretSet   bool              `json:"secret_set"`
	Updated     time.Time         `json:"updated"`
	Version     int64             `json:"version"`
}

// OIDCSettings are an OpenID provider that guests of an organisation may log in by. ClientSecret is written and never shown.
type OIDCSettings struct {
	Name            string    `json:"name"` // in paths
	DisplayName     *string   `json:"display_name"`
	Issuer          string    `json:"issuer"`
	ClientID        string    `json:"client_id"`
	Scopes          []string  `json:"scopes"`
	Hosts           []string  `json:"hosts"`        // that its pages need besides; "*." in front: all below
	Domains         []string  `json:"domains"`      // of verified addresses that may log in; empty: all
	Groups          []string  `json:"groups"`       // of which one is needed; empty: none
	GroupsClaim     string    `json:"groups_claim"` // that names them
	ClientSecretSet bool      `json:"client_secret_set"`
	Updated         time.Time `json:"updated"`
	Version         int64     `json:"version"`
}

// ProofSettings say how guests of an organisation may prove who they are. Zero and empty values are the defaults.
type ProofSettings struct {
	MailsPerDay int      `json:"mails_per_day"` // default 2000
	TextsPerDay int      `json:"texts_per_day"` // default 500
	Prefixes    []string `json:"prefixes"`      // of numbers that may get a text message, without the plus; empty: as zones say
	// Sponsors are addresses, and domains with an @ before them, whose owners may say yes to a guest. Empty: nobody.
	Sponsors []string `json:"sponsors"`
	// Texts are messages by language and name, in the place of our own.
	Texts   map[string]map[string]string `json:"texts"`
	Updated time.Time                    `json:"updated"`
	Version int64                        `json:"version"`
}

// TestResult is what came of trying a setting.
type TestResult struct {
	OK bool `json:"ok"`
	// Error is what went wrong, in the words of whom it went wrong at.
	Error        *string `json:"error"`
	Milliseconds int64   `json:"milliseconds"`
}

// CertificateSettings say where certificates for portals come from: an ACME server, which looks for records in the DNS that are made
// by a provider. Secret is written and never shown.
type CertificateSettings struct {
	Directory   string    `json:"directory"` // URL of the ACME server
	Email       *string   `json:"email"`
	Domain      string    `json:"domain"`   // gateways get names below it
	Provider    string    `json:"provider"` // rfc2136, cloudflare, httpreq
	Server      *string   `json:"server"`
	Username    *string   `json:"username"`
	TermsAgreed bool      `json:"terms_agreed"`
	SecretSet   bool      `json:"secret_set"`
	Updated     time.Time `json:"updated"`
	Version     int64     `json:"version"`
}
