package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Variable is the environment variable that may have the key instead of a file.
const Variable = "GATEHOUSE_SECRETS_KEY"

const keySize = 32 // octets: AES-256

// ErrOpen says that a text was sealed with another key, for another purpose, or was changed.
var ErrOpen = errors.New("the key for secrets is not the one that this was encrypted with")

// Key encrypts and decrypts.
type Key struct{ aead cipher.AEAD }

// Parse reads a key: 32 octets in base64.
func Parse(text string) (*Key, error) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(raw) != keySize {
		return nil, fmt.Errorf("a key for secrets is %d octets in base64, as openssl rand -base64 %d prints it", keySize, keySize)
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return nil, fmt.Errorf("making cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("making cipher: %w", err)
	}
	return &Key{aead}, nil
}

// Load reads the key from a file or, where path is empty, from text, the value of Variable. Both empty: there is none, and the
// key is nil. A file that others may read is an error.
func Load(path, text string) (*Key, error) {
	if path == "" && text == "" {
		return nil, nil
	}
	if path == "" {
		k, err := Parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", Variable, err)
		}
		return k, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading key for secrets: %w", err)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return nil, fmt.Errorf("%s may be read by everybody: chmod 0640 or 0600", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading key for secrets: %w", err)
	}
	k, err := Parse(string(b))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

// Seal encrypts plain. Open wants the same purpose, so that nothing sealed can be put in another's place.
func (k *Key) Seal(purpose string, plain []byte) []byte {
	return k.aead.Seal(nil, nil, plain, []byte(purpose))
}

// Open decrypts what Seal made; anything else is ErrOpen.
func (k *Key) Open(purpose string, sealed []byte) ([]byte, error) {
	plain, err := k.aead.Open(nil, nil, sealed, []byte(purpose))
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}
