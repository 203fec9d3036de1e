package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// ReadQR reads the QR codes of a picture, a PNG, by a decoder that somebody else wrote; in no order.
func ReadQR(t testing.TB, png []byte) []string {
	t.Helper()
	Program(t, "zbarimg")
	file := filepath.Join(t.TempDir(), "codes.png")
	if err := os.WriteFile(file, png, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("zbarimg", "--nodbus", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", file).Output()
	if err != nil { // also when there is none
		t.Fatalf("reading QR codes: %v", err)
	}
	return strings.Fields(string(out))
}
