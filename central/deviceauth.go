package central

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"gatehouse/api/gate"
	"gatehouse/central/store"
	"gatehouse/sessions"
)

// deviceAuthenticate checks a user name and password and gives out an access token of that account.
func (s *Server) deviceAuthenticate(c *call) (int, any, error) {
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	name, password := f.text("username"), f.text("password")
	u, ok, err := s.verdict(c, deviceRef(f), *name, sessions.Password(*password))
	if err != nil {
		return 0, nil, err
	}
	if !ok {
		return 0, nil, &problem{status: http.StatusUnprocessableEntity,
			body: gate.AuthFail{Username: *name, Error: "Invalid credentials", ErrorCode: "AUTH_FAILED"}}
	}
	version, err := s.cfg.Store.CredentialVersion(c.Context(), u.ID)
	if err != nil {
		return 0, nil, err
	}
	now := s.cfg.Clock.Now()
	if err := s.cfg.Store.NoteLogin(c.Context(), u.ID, now); err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, s.authOK(u, version, now), nil
}

// verdict tells whose name and password these are, and whether the account may log in. Guesses are counted per account, per device
// that sends them, and per token.
func (s *Server) verdict(c *call, device store.DeviceRef, username string, p sessions.Password) (gate.User, bool, error) {
	g := guessFrom(c.token.Key(), username)
	g.device, g.patience = deviceKey(c.token.Scope.Own(), device), true
	cred, ok, err := s.checkPassword(c.Context(), c.token.Scope, g, username, p)
	if err != nil || !ok {
		return gate.User{}, false, err
	}
	u, err := s.cfg.Store.User(c.Context(), c.token.Scope, cred.UserID)
	if errors.Is(err, store.ErrNotFound) { // deleted meanwhile
		return u, false, nil
	}
	if err != nil || !s.mayLogIn(u) {
		return u, false, err
	}
	profiles, err := s.cfg.Store.ProfilesOf(c.Context(), u.ID)
	if err != nil {
		return u, false, err
	}
	zone, err := s.cfg.Store.TimeZone(c.Context(), *u.Organization)
	v := sessions.Evaluate(convert(profiles, sessionsProfile), sessions.AskedBy(u.Username))
	return u, err == nil && !v.Rejected && v.Open(s.cfg.Clock.Now().In(zone)), err
}

func sessionsProfile(p gate.AaaProfile) sessions.Profile {
	attribute := func(a gate.Attr) sessions.Attribute {
		return sessions.Attribute{Name: a.Attribute, Op: a.Op, Value: a.Value}
	}
	return sessions.Profile{ShortName: p.ShortName, Check: convert(p.CheckAttribute, attribute), Reply: convert(p.ReplyAttribute, attribute)}
}

// deviceKey is what a device's guesses are counted by; empty when it does not say which it is.
func deviceKey(organization int64, d store.DeviceRef) string {
	for _, id := range []*string{d.IMEI, d.MACKey, d.GenericID, d.IMSI, d.ICCID, d.Number} {
		if id != nil {
			return strconv.FormatInt(organization, 10) + " " + *id
		}
	}
	return ""
}

func (s *Server) authOK(u gate.User, version int64, now time.Time) gate.AuthOK {
	expires := now.Add(accessTokenLife).Truncate(time.Second)
	return gate.AuthOK{
		Username: u.Username, Authenticated: true, UserID: u.ID,
		AccessToken:  s.accessToken(accessClaims{accessIssuer, strconv.FormatInt(u.ID, 10), *u.Organization, version, now.Unix(), expires.Unix()}),
		TokenExpires: gate.Time{Time: expires},
		UserProfile: gate.UserProfile{FirstName: u.FirstName, LastName: u.LastName, Email: u.Email,
			Role: "device_user", Permissions: []string{"device_access", "data_view"}},
	}
}

const (
	accessTokenLife   = time.Hour
	accessTokenHeader = `{"alg":"HS256","typ":"JWT"}` // the only one: who verifies must not let the token choose
	accessIssuer      = "gatehouse"
)

// accessClaims are what an access token says.
type accessClaims struct {
	Issuer       string `json:"iss"`
	User         string `json:"sub"`
	Organization int64  `json:"org"`
	Version      int64  `json:"ver"` // of the credential: a new password ends the tokens of the old one
	Issued       int64  `json:"iat"`
	Expires      int64  `json:"exp"`
}

// accessToken is a JWT (RFC 7519, HS256) that says who has logged in.
func (s *Server) accessToken(claims accessClaims) string {
	text, _ := json.Marshal(claims) // strings and numbers only
	b64 := base64.RawURLEncoding
	signed := b64.EncodeToString([]byte(accessTokenHeader)) + "." + b64.EncodeToString(text)
	return signed + "." + b64.EncodeToString(s.accessSignature(signed))
}

func (s *Server) accessSignature(signed string) []byte {
	mac := hmac.New(sha256.New, s.signKey)
	mac.Write([]byte(signed))
	return mac.Sum(nil)
}

// holder is who an access token of ours is of: an account that may act for itself and nothing else, whatever it may do with other
// credentials. ok is false for any other text.
func (s *Server) holder(r *http.Request, token string) (t store.Token, ok bool, err error) {
	signed, signature, _ := cutLast(token, ".")
	given, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil || !hmac.Equal(given, s.accessSignature(signed)) {
		return t, false, nil
	}
	_, body, _ := strings.Cut(signed, ".")
	var claims accessClaims
	text, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || json.Unmarshal(text, &claims) != nil || claims.Issuer != accessIssuer || s.cfg.Clock.Now().Unix() >= claims.Expires {
		return t, false, nil
	}
	user, err := strconv.ParseInt(claims.User, 10, 64)
	if err != nil {
		return t, false, nil
	}
	version, err := s.cfg.Store.CredentialVersion(r.Context(), user)
	if errors.Is(err, store.ErrNotFound) || err == nil && version != claims.Version {
		return t, false, nil
	}
	if err != nil {
		return t, false, err
	}
	t, err = s.login(r.Context(), user)
	t.Role = store.RoleUser
	return t, true, err
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
