package central

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"gatehouse/sessions"
)

// What one check of a password may cost: a hash may come from a caller or from a file, and its writer has chosen its cost.
const (
	maxPBKDF2Iterations = 10_000_000 // ten times what Django 5.2 takes; about 2 s
	maxBcryptCost       = 15         // about 2 s
	minArgonWork        = 8 << 10    // KiB times passes: less is made anew after a good login
)

// argonLimits hold for argon2id; at most as many checks run at once as there are processors. Django takes 100 MiB and two passes.
func argonLimits() sessions.ArgonLimits {
	return sessions.ArgonLimits{MemoryKiB: 256 << 10, Work: 1 << 20, Threads: 16}
}

// The forms that a password may be kept in.
const (
	djangoPBKDF2       = "pbkdf2_sha256$"
	djangoBcryptSHA256 = "bcrypt_sha256$"
	djangoBcrypt       = "bcrypt$"
	djangoArgon2       = "argon2"
	phcArgon2id        = "$argon2id$"
)

var errHashForm = errors.New("not a password hash of a form that is known: argon2id, bcrypt or pbkdf2_sha256, as Django and others write them")

// verifyPassword tells whether p is the password of hash, in constant time. The error says that the hash is damaged, of a
// form that is not known, or too costly to check.
func verifyPassword(hash string, p sessions.Password) (bool, error) {
	switch {
	case strings.HasPrefix(hash, phcArgon2id):
		return sessions.VerifyArgon2id(hash, p, argonLimits())
	case strings.HasPrefix(hash, djangoArgon2+phcArgon2id):
		return sessions.VerifyArgon2id(strings.TrimPrefix(hash, djangoArgon2), p, argonLimits())
	case strings.HasPrefix(hash, djangoPBKDF2):
		return verifyPBKDF2(strings.TrimPrefix(hash, djangoPBKDF2), p)
	case strings.HasPrefix(hash, djangoBcryptSHA256): // what is hashed is the digest's hexadecimal form
		sum := sha256.Sum256([]byte(p))
		return verifyBcrypt(strings.TrimPrefix(hash, djangoBcryptSHA256), []byte(hex.EncodeToString(sum[:])))
	}
	return verifyBcrypt(strings.TrimPrefix(hash, djangoBcrypt), []byte(p))
}

func verifyPBKDF2(text string, p sessions.Password) (bool, error) {
	count, rest, _ := strings.Cut(text, "$")
	salt, keyText, _ := strings.Cut(rest, "$")
	iterations, err := strconv.Atoi(count)
	key, keyErr := base64.StdEncoding.DecodeString(keyText)
	if err != nil || keyErr != nil || salt == "" || len(key) != sha256.Size || iterations < 1 {
		return false, errHashForm
	}
	if iterations > maxPBKDF2Iterations {
		return false, fmt.Errorf("a pbkdf2_sha256 hash with more than %d iterations", maxPBKDF2Iterations)
	}
	got, err := pbkdf2.Key(sha256.New, string(p), []byte(salt), iterations, len(key))
	return subtle.ConstantTimeCompare(got, key) == 1, err
}

func verifyBcrypt(hash string, p []byte) (bool, error) {
	cost, err := bcrypt.Cost([]byte(hash))
	if err != nil || !strings.HasPrefix(hash, "$2") {
		return false, errHashForm
	}
	if cost > maxBcryptCost {
		return false, fmt.Errorf("a bcrypt hash with a cost above %d", maxBcryptCost)
	}
	err = bcrypt.CompareHashAndPassword([]byte(hash), p)
	if errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		return false, nil
	}
	return err == nil, err
}

// outdated tells whether a hash is of another form than ours or much weaker than any of ours.
func outdated(hash string) bool {
	var memory, passes uint64
	if _, err := fmt.Sscanf(hash, phcArgon2id+"v=19$m=%d,t=%d,", &memory, &passes); err != nil {
		return true
	}
	return memory*passes < minArgonWork
}

// CheckPasswordHash tells what is wrong with a password hash from outside, nil when the centre can check passwords against it.
func CheckPasswordHash(hash string) error {
	_, err := verifyPassword(hash, "")
	return err
}
