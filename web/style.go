package web

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
)

//go:embed style.css
var style string

// StyleHash is the source expression for the pages' only style sheet, for a Content-Security-Policy: 'sha256-...'.
func StyleHash() string {
	sum := sha256.Sum256([]byte(style))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
