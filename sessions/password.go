package sessions

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"gatehouse/internal/clock"
)

const (
	argonMemory  = 8 << 10 // KiB; a router has little more to spare
	argonKeyLen  = 32
	argonMaxTime = 64
	// What others' hashes may have: Django and passlib make 16 octets.
	argonMinKeyLen, argonMaxKeyLen = 16, 64

	hashTarget = 100 * time.Millisecond // cost of one check on this device (DESIGN D10)
)

var (
	errHashForm = errors.New("not an argon2id hash in PHC form")
	errHashCost = errors.New("an argon2id hash whose check would cost more memory or time than is allowed")
)

// HashPassword makes an argon2id hash in PHC form that costs this device about 100 ms to check.
func HashPassword(p Password) (string, error) {
	salt := make([]byte, 16)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("making a salt: %w", err)
	}
	once := hashTarget
	for range 3 { // the least of them: a busy device must not make a weak hash
		once = min(once, clock.Measure(func() { argon2.IDKey([]byte(p), salt, 1, argonMemory, 1, argonKeyLen) }))
	}
	cost := uint32(min(hashTarget/max(once, time.Millisecond), argonMaxTime))
	key := argon2.IDKey([]byte(p), salt, cost, argonMemory, 1, argonKeyLen)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s", argon2.Version, argonMemory, cost,
		b64.EncodeToString(salt), b64.EncodeToString(key)), nil
}

// ArgonLimits bound what a check may cost, because who wrote a hash may have chosen its parameters.
type ArgonLimits struct {
	MemoryKiB uint32 // of one check
	Work      uint64 // most KiB times passes
	Threads   uint32
}

// VerifyPassword tells whether p is the password of hash, in constant time. The error says that hash is damaged, or costs more
// than a router has.
func VerifyPassword(hash string, p Password) (bool, error) {
	return VerifyArgon2id(hash, p, ArgonLimits{MemoryKiB: 1 << 16, Work: argonMaxTime << 16, Threads: 4})
}

// VerifyArgon2id is VerifyPassword with limits of the caller's.
func VerifyArgon2id(hash string, p Password, most ArgonLimits) (bool, error) {
	var version, memory, cost, threads uint32
	var rest string
	if _, err := fmt.Sscanf(hash, "$argon2id$v=%d$m=%d,t=%d,p=%d$%s", &version, &memory, &cost, &threads, &rest); err != nil {
		return false, errHashForm
	}
	salt, key, ok := saltAndKey(rest)
	if !ok || version != argon2.Version || cost == 0 || threads == 0 {
		return false, errHashForm
	}
	if memory > most.MemoryKiB || threads > most.Threads || uint64(cost)*uint64(memory) > most.Work || cost > argonMaxTime {
		return false, errHashCost
	}
	got := argon2.IDKey([]byte(p), salt, cost, memory, uint8(threads), uint32(len(key)))
	return subtle.ConstantTimeCompare(got, key) == 1, nil
}

func saltAndKey(text string) (salt, key []byte, ok bool) {
	saltText, keyText, ok := strings.Cut(text, "$")
	salt, saltErr := base64.RawStdEncoding.DecodeString(saltText)
	key, keyErr := base64.RawStdEncoding.DecodeString(keyText)
	return salt, key, ok && saltErr == nil && keyErr == nil && len(key) >= argonMinKeyLen && len(key) <= argonMaxKeyLen
}

// minPassword and maxPassword bound what a guest may choose: characters and octets.
const (
	minPassword = 8
	maxPassword = 1024
)

// WeakPassword tells whether a password is too weak to be chosen by a guest, or is none: NIST SP 800-63B §5.1.1.2 asks for a length
// and for nothing that makes passwords hard to remember.
func WeakPassword(username string, p Password) bool {
	text := string(p)
	return len(text) > maxPassword || utf8.RuneCountInString(text) < minPassword || !utf8.ValidString(text) ||
		strings.ContainsFunc(text, unicode.IsControl) || strings.EqualFold(text, username)
}
