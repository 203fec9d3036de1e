package sessions

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// The form of voucher codes. The alphabet has one character of each group that look alike (0 O Q D, 2 Z, 5 S, 6 G, 8 B, V U),
// none of 1 I L, no vowels, so that no code is a word, and a prime number of them, so that the check finds every wrong
// character and every two that changed places. Eleven are random: 23^11 = 9.5e14 codes.
const (
	codeAlphabet = "23456789CDFHJKMNPRTVWXY"
	codeLength   = 12 // the last one checks the others
)

// lookAlikes are read as the one of their group that the alphabet has.
var lookAlikes = strings.NewReplacer("0", "D", "O", "D", "Q", "D", "Z", "2", "S", "5", "G", "6", "B", "8", "U", "V")

// ErrVoucherCode says that a text is no voucher code: mistyped, or of another kind.
var ErrVoucherCode = errors.New("not a voucher code: a code has 12 letters and digits, and 1, I, L, A and E never occur")

// VoucherCode is a code in its one form: upper case, without separators. It opens the door, so it never shows in a log.
type VoucherCode string

// LogValue hides the code.
func (VoucherCode) LogValue() slog.Value { return slog.StringValue("[hidden]") }

// String hides the code from fmt.
func (VoucherCode) String() string { return "[hidden]" }

// Text is the code as it is printed: in groups of four.
func (c VoucherCode) Text() string {
	return fmt.Sprintf("%s-%s-%s", string(c[:4]), string(c[4:8]), string(c[8:]))
}

// VoucherHash is what a gateway knows a code by.
type VoucherHash [16]byte

// Hash is the keyed hash of a code (HMAC-SHA-256, cut to 128 bits).
func (c VoucherCode) Hash(key []byte) (h VoucherHash) {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(c))
	copy(h[:], mac.Sum(nil))
	return h
}

// NewVoucherCode makes a random code.
func NewVoucherCode() VoucherCode {
	const fair = 256 / len(codeAlphabet) * len(codeAlphabet) // octets from here on would favour the alphabet's beginning
	code := make([]byte, 0, codeLength)
	var octet [1]byte
	for len(code) < codeLength-1 {
		_, _ = rand.Read(octet[:]) // never fails
		if int(octet[0]) < fair {
			code = append(code, codeAlphabet[int(octet[0])%len(codeAlphabet)])
		}
	}
	for i := range codeAlphabet {
		if c := VoucherCode(code) + VoucherCode(codeAlphabet[i]); c.checks() {
			return c
		}
	}
	panic("an alphabet of a prime number of characters always has one that checks")
}

// checks tells whether the sum of the characters, each times its place, is a multiple of the alphabet's length.
func (c VoucherCode) checks() bool {
	sum := 0
	for i := range len(c) {
		sum += (i + 1) * strings.IndexByte(codeAlphabet, c[i])
	}
	return sum%len(codeAlphabet) == 0
}

// ParseVoucherCode reads what somebody typed: in either case, with or without separators, also in the wide characters of East
// Asian keyboards, and with look-alikes. The error is ErrVoucherCode.
func ParseVoucherCode(text string) (VoucherCode, error) {
	if len(text) > 256 {
		return "", ErrVoucherCode
	}
	narrow := strings.Map(func(r rune) rune {
		switch {
		case r >= '！' && r <= '～':
			r -= '！' - '!'
		case r == '\u3000' || r == '‐' || r == '–' || r == '—' || r == '−' || r == 'ー' || r == '\t' || r == '\u00a0':
			return -1
		}
		if strings.ContainsRune(" -._/", r) {
			return -1
		}
		return r
	}, text)
	code := VoucherCode(lookAlikes.Replace(strings.ToUpper(narrow)))
	if len(code) != codeLength || strings.Trim(string(code), codeAlphabet) != "" || !code.checks() {
		return "", ErrVoucherCode
	}
	return code, nil
}
