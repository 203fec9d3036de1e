package seal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	one   = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	other = "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
)

func key(t *testing.T, text string) *Key {
	t.Helper()
	k, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSeal(t *testing.T) {
	k := key(t, one+"\n")
	sealed, again := k.Seal("a", []byte("plain text")), k.Seal("a", []byte("plain text"))
	if bytes.Contains(sealed, []byte("plain")) || bytes.Equal(sealed, again) {
		t.Errorf("sealed %q and %q", sealed, again)
	}
	if plain, err := k.Open("a", sealed); err != nil || string(plain) != "plain text" {
		t.Errorf("opened %q, %v", plain, err)
	}
	changed := bytes.Clone(sealed)
	changed[len(changed)-1] ^= 1
	for name, open := range map[string]func() ([]byte, error){
		"another key":     func() ([]byte, error) { return key(t, other).Open("a", sealed) },
		"another purpose": func() ([]byte, error) { return k.Open("b", sealed) },
		"changed":         func() ([]byte, error) { return k.Open("a", changed) },
		"cut":             func() ([]byte, error) { return k.Open("a", sealed[:5]) },
		"empty":           func() ([]byte, error) { return k.Open("a", nil) },
	} {
		if plain, err := open(); !errors.Is(err, ErrOpen) {
			t.Errorf("%s: opened %q, %v", name, plain, err)
		}
	}
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	write := func(text string, mode os.FileMode) {
		t.Helper()
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
	}
	if k, err := Load("", ""); k != nil || err != nil {
		t.Errorf("nothing: %v, %v", k, err)
	}
	if k, err := Load("", one); k == nil || err != nil {
		t.Errorf("from the environment: %v, %v", k, err)
	}
	write(one+"\n", 0o640)
	if k, err := Load(path, "not looked at"); k == nil || err != nil {
		t.Errorf("from a file: %v, %v", k, err)
	}
	wrong := func(want string) {
		t.Helper()
		if _, err := Load(path, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q in it", err, want)
		}
	}
	write(one, 0o644)
	wrong("may be read by everybody")
	write("AAAA", 0o600)
	wrong("openssl rand -base64 32")
	path += "x"
	wrong("no such file")
	if _, err := Load("", "x"); err == nil || !strings.Contains(err.Error(), Variable) {
		t.Errorf("error %v", err)
	}
}
