package main

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"strings"
)

// trusted tells whether a token opens the local GATE API: the file has a SHA-256 of each, one in a line, as sha256sum prints it. It is
// read with every question, so that a token that was taken out is refused at once.
func trusted(path string, log *slog.Logger) func(token string) bool {
	return func(token string) bool {
		sum := sha256.Sum256([]byte(token))
		ok, err := listed(path, sum[:])
		if err != nil {
			log.Error("nobody is trusted at the local API", "err", err)
		}
		return ok && err == nil && token != ""
	}
}

func listed(path string, sum []byte) (found bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return false, fmt.Errorf("reading portal.api_tokens: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		words := strings.Fields(lines.Text())
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		known, err := hex.DecodeString(words[0])
		if err != nil || len(known) != len(sum) {
			return false, fmt.Errorf("reading portal.api_tokens: line %d of %s begins with no SHA-256: printf %%s TOKEN | sha256sum prints one", n, path)
		}
		found = subtle.ConstantTimeCompare(known, sum) == 1 || found
	}
	return found, lines.Err()
}
