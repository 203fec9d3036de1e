package portal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"net/url"
	"strings"
	"time"

	"gatehouse/sessions"
)

// linkPath is where the QR codes of vouchers lead, on whatever host: of a captive station it is captured.
const linkPath = "/v/"

// linkLife is how long the page that a link leads to has the code filled in.
const linkLife = 10 * time.Minute

// linkCode is the code in the path of such a link.
func linkCode(u *url.URL) (sessions.VoucherCode, bool) {
	text, ok := strings.CutPrefix(u.Path, linkPath)
	if !ok {
		return "", false
	}
	code, err := sessions.ParseVoucherCode(text)
	return code, err == nil
}

// links hide codes on the way from the link to the login page: what stays in a browser's history is of no use to another station,
// nor later. Opening a link spends nothing and lets nobody in, so whoever only looks at it does no harm.
type links struct{ aead cipher.AEAD }

func newLinks() links {
	var key [32]byte
	_, _ = rand.Read(key[:])          // never fails since Go 1.24
	block, _ := aes.NewCipher(key[:]) // a key of 32 octets is good
	aead, _ := cipher.NewGCMWithRandomNonce(block)
	return links{aead}
}

// page is the path and query of the login page with the code filled in, for this station.
func (l links) page(st sessions.Station, code sessions.VoucherCode, now time.Duration) string {
	text := binary.BigEndian.AppendUint32(nil, uint32(now/time.Second))
	return "/?v=" + base64.RawURLEncoding.EncodeToString(l.aead.Seal(nil, nil, append(text, code...), []byte(st.String())))
}

// code is what page hid; empty if it was for another station, is too old, or nothing of ours.
func (l links) code(hidden string, st sessions.Station, now time.Duration) string {
	raw, err := base64.RawURLEncoding.DecodeString(hidden)
	if err != nil {
		return ""
	}
	text, err := l.aead.Open(nil, nil, raw, []byte(st.String()))
	if err != nil || now-time.Duration(binary.BigEndian.Uint32(text))*time.Second > linkLife {
		return ""
	}
	return string(text[4:])
}

// link is opened at the portal's own address.
func (p *Portal) link(v *visit) {
	to := "/"
	if code, ok := linkCode(v.URL); ok {
		to = p.links.page(v.station, code, p.cfg.Clock.Mono())
	}
	http.Redirect(v.ResponseWriter, v.Request, to, http.StatusSeeOther)
}
