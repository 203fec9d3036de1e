package portal

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"

	"gatehouse/sessions"
)

// tokenLife is how long a form that was shown may be sent.
const tokenLife = 2 * time.Hour

// tokens prove that a form was made here, for this station, since this start of the daemon. They stand in for the cookie
// that sign-in sheets forget.
type tokens struct{ key [32]byte }

func (t *tokens) sum(st sessions.Station, stamp []byte) []byte {
	h := hmac.New(sha256.New, t.key[:])
	h.Write(stamp)
	h.Write(st.MAC[:])
	h.Write([]byte(st.Zone))
	return h.Sum(nil)[:16]
}

func (t *tokens) issue(st sessions.Station, now time.Duration) string {
	stamp := binary.BigEndian.AppendUint32(nil, uint32(now/time.Second))
	return base64.RawURLEncoding.EncodeToString(append(stamp, t.sum(st, stamp)...))
}

func (t *tokens) valid(token string, st sessions.Station, now time.Duration) bool {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) != 4+16 {
		return false
	}
	age := now - time.Duration(binary.BigEndian.Uint32(raw))*time.Second
	return hmac.Equal(raw[4:], t.sum(st, raw[:4])) && age >= 0 && age <= tokenLife
}
