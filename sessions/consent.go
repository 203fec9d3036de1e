package sessions

import (
	"crypto/sha256"
	"encoding/hex"
)

// Consent is the receipt of a guest's having accepted the terms of use, written in the commit that lets him in.
type Consent struct {
	AcctSessionID string  `json:"acct_session_id"` // of the session that it let in
	At            Stamp   `json:"at"`
	Station       Station `json:"station"`
	Username      string  `json:"username"`
	Method        Method  `json:"method"`
	TermsVersion  string  `json:"terms_version"`
	TextHash      string  `json:"text_hash"` // SHA-256 of the text as it was shown, hexadecimal
	Locale        string  `json:"locale"`    // BCP 47, in which the page was shown
	Text          string  `json:"-"`         // kept once, under its hash
}

// Shown is a text that a guest had before him, and its language.
type Shown struct{ Text, Locale string }

// DemandsTerms tells whether whoever takes this way in has to accept the terms of use.
func (z *Zone) DemandsTerms(m Method) bool {
	return m == MethodClick || m == MethodTrial || z.TermsForAll && m.byForm()
}

// consents are the receipts that a login makes.
func (z *Zone) consents(s *Session, req *LoginRequest) []Consent {
	if !z.DemandsTerms(req.Method) {
		return nil
	}
	sum := sha256.Sum256([]byte(req.Terms.Text))
	return []Consent{{AcctSessionID: s.AcctSessionID, At: s.StartedAt, Station: s.Station, Username: s.Username, Method: s.Method,
		TermsVersion: s.TermsVersion, TextHash: hex.EncodeToString(sum[:]), Locale: req.Terms.Locale, Text: req.Terms.Text}}
}

// said is a receipt in the message of the login, which the centre keeps.
func (c *Consent) said() string {
	return ", terms " + c.TermsVersion + " accepted (" + c.Locale + ", SHA-256 " + c.TextHash + ")"
}
