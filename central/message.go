package central

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"gatehouse/api/admin"
	"gatehouse/api/edge"
	"gatehouse/central/store"
)

// How often one may be sent a code. What a gateway may send bounds what a thief of its token, or somebody with ever new MAC
// addresses, costs the house: text messages are paid for, and some numbers pay their owner for each (pumping).
const (
	resendAfter  = time.Minute
	perHour      = 5 // of one contact, and of one station
	perDay       = 10
	mailsPerHour = 300 // of one gateway
	mailsPerDay  = 2000
	textsPerHour = 60
	textsPerDay  = 500
)

// messageLimits are those of a message by the proof's channel. mostDay is what the organisation may send in a day.
func messageLimits(mostHour, mostDay int) []store.ProofLimit {
	const day = 24 * time.Hour
	return []store.ProofLimit{
		{Contact: true, Most: 1, Within: resendAfter}, {Station: true, Channel: true, Most: 1, Within: resendAfter},
		{Contact: true, Most: perHour, Within: time.Hour}, {Contact: true, Most: perDay, Within: day},
		{Station: true, Most: perHour, Within: time.Hour}, {Station: true, Most: perDay, Within: day},
		{Gateway: true, Most: mostHour, Within: time.Hour}, {Channel: true, Most: mostDay, Within: day},
	}
}

// mailAddress is what of RFC 5321 can be a user name as well: no quotes, no comments, no control characters.
var mailAddress = regexp.MustCompile(`^[a-z0-9_'+-]+(\.[a-z0-9_'+-]+)*@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)

// cleanAddress is a mail address as it is kept, empty when it cannot be one.
func cleanAddress(typed string) string {
	typed = strings.ToLower(strings.TrimSpace(typed))
	if len(typed) > maxContact || !mailAddress.MatchString(typed) {
		return ""
	}
	return typed
}

var mobileNumber = regexp.MustCompile(`^[1-9][0-9]{6,14}$`) // E.164 without its plus

// cleanNumber is a telephone number in E.164, however it was typed; empty when it cannot be one. country is the calling code of numbers that
// have none.
func cleanNumber(typed, country string) string {
	typed = strings.TrimSpace(strings.NewReplacer("(0)", "", "\u200e", "", "\u200f", "", "\u202a", "", "\u202c", "").Replace(typed))
	if strings.ContainsFunc(typed, func(r rune) bool { return digits(string(r)) == "" && !strings.ContainsRune("+＋ -./()\u00a0", r) }) {
		return ""
	}
	n := digits(typed)
	switch {
	case strings.HasPrefix(typed, "+"), strings.HasPrefix(typed, "＋"):
	case strings.HasPrefix(n, "00"):
		n = n[2:]
	case country != "":
		n = country + strings.TrimPrefix(n, "0")
	default:
		return ""
	}
	if !mobileNumber.MatchString(n) {
		return ""
	}
	return "+" + n
}

// mayReceive tells whether a number begins with one of the prefixes that text messages may go to. Without any it is only those of
// the country.
func mayReceive(number, country string, prefixes []string) bool {
	if len(prefixes) == 0 && country != "" {
		prefixes = []string{country}
	}
	for _, p := range prefixes {
		if p = digits(p); p != "" && strings.HasPrefix(number, "+"+p) {
			return true
		}
	}
	return false
}

func (s *Server) beginEmail(ctx context.Context, b *proofBegun) error {
	return s.askCode(ctx, b, channelEmail)
}

func (s *Server) beginSMS(ctx context.Context, b *proofBegun) error {
	return s.askCode(ctx, b, channelSMS)
}

// askCode has a code sent to the contact by a channel.
func (s *Server) askCode(ctx context.Context, b *proofBegun, channel string) error {
	policy, err := s.proofPolicy(ctx, b.gateway.Scope.Own())
	if err != nil {
		return err
	}
	code := newProofCode()
	told := map[string]string{"code": code, "minutes": strconv.Itoa(int(codeLife.Minutes())), "house": policy.house}
	switch channel {
	case channelEmail:
		b.proof.Contact, b.limits = cleanAddress(b.Contact), messageLimits(mailsPerHour, policy.MailsPerDay)
		b.send, err = s.mailer(ctx, b.gateway, b.proof.Contact, policy.text(b.Locale, "mail_subject", told), policy.text(b.Locale, "mail", told))
	default:
		b.proof.Contact, b.limits = cleanNumber(b.Contact, digits(b.CountryCode)), messageLimits(textsPerHour, policy.TextsPerDay)
		if !mayReceive(b.proof.Contact, digits(b.CountryCode), b.Prefixes) || len(policy.Prefixes) > 0 && !mayReceive(b.proof.Contact, "", policy.Prefixes) {
			b.proof.Contact = ""
		}
		b.send, err = s.texter(ctx, b.gateway, b.proof.Contact, policy.text(b.Locale, "sms", told))
	}
	switch {
	case err != nil:
		return err
	case b.proof.Contact == "":
		return unfitProof(edge.ProofBadContact, "contact is no address or number that can be sent to from here.")
	}
	b.proof.Channel, b.proof.Code, b.proof.Tries = channel, s.proofCode(b.Zone, b.CallingStationID, code), codeTries
	b.proof.Expires = s.cfg.Clock.Now().Add(codeLife)
	b.answer.ResendIn = int64(resendAfter.Seconds())
	if b.proof.Body == nil {
		b.proof.Body, err = json.Marshal(contactBody{Terms: b.Terms})
	}
	return err
}

// newProofCode is six digits. Five tries of each of the ten codes that a station, or a contact, gets in a day find one with a chance of
// 50 in a million: see docs/centre.md.
func newProofCode() string {
	n, _ := rand.Int(rand.Reader, big.NewInt(1e6)) // never fails
	return fmt.Sprintf("%06d", n)
}

// mailer sends a mail by the settings of the gateway's organisation, or of the nearest above it that has some.
func (s *Server) mailer(ctx context.Context, g store.Gateway, to, subject, text string) (func(context.Context) error, error) {
	v, secret, err := s.service(ctx, g, "mail")
	return func(ctx context.Context) error { return s.sendMail(ctx, v, secret, to, subject, text) }, err
}

func (s *Server) texter(ctx context.Context, g store.Gateway, to, text string) (func(context.Context) error, error) {
	v, secret, err := s.service(ctx, g, "sms")
	return func(ctx context.Context) error { return s.sendSMS(ctx, v, secret, to, text) }, err
}

// service is how the organisation of a gateway reaches a service, and the secret for it.
func (s *Server) service(ctx context.Context, g store.Gateway, kind string) (store.Setting, string, error) {
	v, owner, err := s.cfg.Store.NearestSetting(ctx, g.Scope.Own(), kind)
	if errors.Is(err, store.ErrNotFound) {
		return v, "", unfitProof(edge.ProofNotOffered, "The organisation has no settings for "+kind+".")
	}
	if err != nil {
		return v, "", err
	}
	secret, err := s.settingSecret(owner, v)
	return v, secret, err
}

// proofPolicy is what an organisation says about proofs.
type proofPolicy struct {
	admin.ProofSettings
	house    string // its name, as guests know it
	language string // of the people of the house
}

func (s *Server) proofPolicy(ctx context.Context, organization int64) (p proofPolicy, err error) {
	v, _, err := s.cfg.Store.NearestSetting(ctx, organization, "proofs")
	if err == nil {
		err = json.Unmarshal(v.Body, &p.ProofSettings)
	} else if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	if err != nil {
		return p, err
	}
	p.MailsPerDay, p.TextsPerDay = cmp.Or(p.MailsPerDay, mailsPerDay), cmp.Or(p.TextsPerDay, textsPerDay)
	o, err := s.cfg.Store.Organization(ctx, organization)
	p.house, p.language = o.Name, languageOf(o.Language)
	if o.DisplayName != nil && *o.DisplayName != "" {
		p.house = *o.DisplayName
	}
	p.house = oneLine(p.house, maxHouse)
	return p, err
}

// maxHouse is how many characters of its name a house has in a text message.
const maxHouse = 40

// oneLine is a text that somebody has typed, for a place where it must not become more than it is: a header, a line, a link.
func oneLine(text string, most int) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if r := []rune(text); len(r) > most {
		text = string(r[:most-1]) + "…"
	}
	return text
}

// text is a message in the guest's language: as the organisation has it, else ours; in English where there is none.
func (p *proofPolicy) text(locale, name string, values map[string]string) string {
	language, _, _ := strings.Cut(strings.ToLower(locale), "-")
	text := p.Texts[language][name]
	for _, from := range []map[string]string{messages[language], p.Texts["en"], messages["en"]} {
		text = cmp.Or(text, from[name])
	}
	var pairs []string
	for place, value := range values {
		pairs = append(pairs, "{"+place+"}", value)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}
