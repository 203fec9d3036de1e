package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/config"
)

const drawing = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path d="M3 3h18v18H3z"/></svg>`

// themed loads a configuration with this text in its portal and its zone, and with a folder of files. FOLDER stands for it.
func themed(t *testing.T, portal, zone string, files map[string]string) (*config.Config, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "gatehouse.toml")
	text := "nas_ip = '192.0.2.1'\n" + portal + "\n[[zone]]\nname = 'guest'\ninterfaces = ['br0']\nmethods = ['click']\nterms = 'be kind'\n" + zone
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "FOLDER", dir)), 0o644); err != nil {
		t.Fatal(err)
	}
	return config.Load(path, "testhost")
}

// A zone's theme lies over the portal's, and each over its folder's.
func TestThemesLieOverEachOther(t *testing.T) {
	files := map[string]string{
		"theme.toml": "accent = '#7a1f2b'\nhighlight = '#6b5a1e'\n", "logo.svg": drawing, "style.css": "h1{letter-spacing:.02em}",
		"texts/de.toml": "[common]\nwelcome = 'Grüß Gott'\nlog_in = 'Einloggen'\n",
	}
	c, err := themed(t, "[portal.theme]\nfolder = 'FOLDER'\nhighlight = '#444444'", "[zone.theme]\naccent = '#003366'\n[zone.theme.texts.de.common]\nlog_in = 'Los'", files)
	if err != nil {
		t.Fatal(err)
	}
	general, own := c.Portal.Theme, c.Zones[0].Theme
	if general == nil || own == nil || general.StyleHash() == own.StyleHash() || own.Logo() == "" {
		t.Fatalf("themes %v and %v", general, own)
	}
	for _, want := range []struct {
		sheet string
		has   string
	}{
		{general.Sheet(), "--accent:#7a1f2b"}, {general.Sheet(), "--gold:#444444"}, {own.Sheet(), "--accent:#003366"}, {own.Sheet(), "--gold:#444444"},
		{own.Sheet(), "h1{letter-spacing:.02em}"},
	} {
		if !strings.Contains(want.sheet, want.has) {
			t.Errorf("a style sheet lacks %s", want.has)
		}
	}
	if c, err := themed(t, "[portal]\nvenue = 'x'", "", nil); err != nil || c.Portal.Theme != nil || c.Zones[0].Theme != nil {
		t.Errorf("without a theme: %v %v", c, err)
	}
}

func TestThemeFolderFaults(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		say   string
	}{
		"not TOML":       {map[string]string{"theme.toml": "accent = "}, "portal.theme(theme.toml): line 1: not TOML"},
		"unknown key":    {map[string]string{"theme.toml": "acent = '#000'"}, "portal.theme(theme.toml).acent: is not a key"},
		"contrast":       {map[string]string{"theme.toml": "accent = '#fc0'"}, "portal.theme.accent: #ffcc00 on the card #fffdf9 has a contrast of 1.5 to 1, and needs 4.5"},
		"a script":       {map[string]string{"logo.svg": `<svg onload="alert(1)"/>`}, "portal.theme.logo: has \" onload=\" in it"},
		"no picture":     {map[string]string{"logo.png": "hello"}, "portal.theme.logo: is not a picture that phones show"},
		"large":          {map[string]string{"logo.svg": drawing + strings.Repeat(" ", 9000)}, "portal.theme.logo: is 9 KB large"},
		"elsewhere":      {map[string]string{"style.css": "body{background:url(//example.com/x)}"}, "portal.theme.style: has \"url(//\" in it"},
		"a file":         {map[string]string{"style.css": "body{background:url(x.png)}"}, "portal.theme.style: has \"url(x.png\" in it"},
		"import":         {map[string]string{"style.css": "@import 'x'"}, "portal.theme.style: has \"@import\" in it"},
		"brace":          {map[string]string{"style.css": "h1{color:red"}, "portal.theme.style: has more braces"},
		"language":       {map[string]string{"texts/nl.toml": "[common]\nlog_in='x'"}, "portal.theme.texts.nl: is no language of these pages"},
		"part":           {map[string]string{"texts/de.toml": "[comon]\nlog_in='x'"}, "portal.theme.texts.de.comon: is no part"},
		"unknown text":   {map[string]string{"texts/de.toml": "[common]\nlogin='x'"}, "portal.theme.texts.de.common.login: is no text"},
		"placeholder":    {map[string]string{"texts/de.toml": "[common.problems]\ntoo_many_attempts='x'"}, "portal.theme.texts.de.common.problems.too_many_attempts: lacks {wait}"},
		"no placeholder": {map[string]string{"texts/de.toml": "[common]\nlog_in='x {wait}'"}, "portal.theme.texts.de.common.log_in: has {wait}, for which there is no value"},
		"no list":        {map[string]string{"texts/de.toml": "[common]\nterms_default='x'"}, "portal.theme.texts.de.common.terms_default: is not a list"},
	} {
		if _, err := themed(t, "[portal.theme]\nfolder = 'FOLDER'", "", c.files); err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v, want %q in it", name, err, c.say)
		}
	}
}
