package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/web"
)

// The preview shows every page in the look of its zone, and its words are a theme that changes nothing.
func TestPreview(t *testing.T) {
	dir := t.TempDir()
	file, theme, out := filepath.Join(dir, "gatehouse.toml"), filepath.Join(dir, "theme"), filepath.Join(dir, "out")
	webp := []byte("RIFF\x00\x00\x00\x00WEBPVP8 ")
	if err := os.Mkdir(theme, 0o755); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		file: "nas_ip = '192.0.2.1'\n[portal]\nvenue = 'Grand Hotel'\n[portal.theme]\nfolder = '" + theme + "'\n" +
			"[[zone]]\nname = 'guest'\ninterfaces = ['br0']\nmethods = ['click']\nterms = 'be kind'\n",
		filepath.Join(theme, "theme.toml"):      "accent = '#7a1f2b'\n",
		filepath.Join(theme, "background.webp"): string(webp),
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) string {
		t.Helper()
		var stdout, stderr bytes.Buffer
		if code := executeWith(t.Context(), args, streams{strings.NewReader(""), &stdout, &stderr}, nil); code != exitDone {
			t.Fatalf("%v ended with %d: %s", args, code, stderr.String())
		}
		return stdout.String()
	}
	run("preview", "--config", file, out)
	read := func(name string) string {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	index := read("index.html")
	for _, l := range web.Locales() {
		for _, s := range web.Preview(l) {
			name := "guest/" + string(l) + "/" + s.Name + ".html"
			if page := read(name); !strings.Contains(page, "--accent:#7a1f2b") || !strings.Contains(index, `href="`+name+`"`) {
				t.Errorf("%s is not in the look of the zone, or not in the index", name)
			}
		}
	}
	page := read("guest/de/login.html")
	_, at, _ := strings.Cut(page, "url(../")
	at, _, _ = strings.Cut(at, ")")
	if !strings.Contains(page, "Grand Hotel") || read(filepath.Join("guest", at)) != string(webp) {
		t.Errorf("the picture behind the page is not at %q", at)
	}

	if err := os.Rename(filepath.Join(out, "texts"), filepath.Join(theme, "texts")); err != nil {
		t.Fatal(err)
	}
	run("check", "--config", file)
	run("preview", "--config", file, out)
	if again := read("guest/de/login.html"); again != page {
		t.Errorf("the theme's own words change the page:\n%s\nwant\n%s", again, page)
	}
}
