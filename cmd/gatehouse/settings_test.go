package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestSettings: what the centre sets is kept if it is right, and given up for the last good ones if it does not serve.
func TestSettings(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "gatehouse.toml")
	const text = "nas_id = \"gw\"\nnas_ip = \"192.0.2.1\"\n[[zone]]\nname = \"guest\"\ninterfaces = [\"br-guest\"]\nmethods = [\"click\"]\nterms = \"Be kind.\"\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	load := func() *settings {
		t.Helper()
		s, err := loadSettings(dir)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	take := func(s *settings, version int64, text string, fresh bool) {
		t.Helper()
		got, err := s.take(file, version, json.RawMessage(text))
		if err != nil || got != fresh {
			t.Errorf("version %d: fresh %v, %v", version, got, err)
		}
	}
	const first, second = `{"portal":{"venue":"One"}}`, `{"portal":{"venue":"Two"}}`
	s := load()
	take(s, 1, first, true)
	take(s, 1, first, false) // told again
	if version, refused := s.looked(); version != 0 || refused != "" {
		t.Errorf("before it serves it is told as %d %q", version, refused)
	}
	if err := s.serves(); err != nil {
		t.Fatal(err)
	}
	take(s, 2, `{"zones":{"nowhere":{}}}`, false)
	if version, refused := s.looked(); version != 2 || refused == "" || string(s.Good) != first {
		t.Errorf("refused: %d %q, in use %s", version, refused, s.Good)
	}
	take(s, 3, second, true)
	s = load() // it died before it served
	if back, err := s.goBack(errTrial); err != nil || !back || string(s.Good) != first {
		t.Errorf("back %v %v, in use %s", back, err, s.Good)
	}
	if version, refused := load().looked(); version != 3 || refused != errTrial.Error() {
		t.Errorf("after it went back: %d %q", version, refused)
	}
	take(s, 4, second, true)
	if err := s.serves(); err != nil {
		t.Fatal(err)
	}
	if back, err := s.goBack(errors.New("x")); back || err != nil || string(load().Good) != second {
		t.Errorf("what has served is given up: %v %v", back, err)
	}
	if err := os.WriteFile(s.path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if version, _ := load().looked(); version != 0 {
		t.Errorf("rubbish is version %d", version)
	}
}
