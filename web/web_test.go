package web

import (
	"bytes"
	"context"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"
	"github.com/google/go-cmp/cmp"

	"gatehouse/sessions"
)

var update = flag.Bool("update", false, "write the golden pages anew")

func render(t *testing.T, c templ.Component) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.Render(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var footer = regexp.MustCompile(`(?s)<footer>.*</footer>`)

// One language is enough to see what a change does to the pages: the others differ in their words.
func TestPages(t *testing.T) {
	for _, s := range Preview(English) {
		t.Run(s.Name, func(t *testing.T) {
			// One tag a line, the style sheet left out, and all but once what is below every page: a golden page is there to be
			// read in a review.
			got := render(t, s.Page)
			got = strings.Replace(got, style, "", 1)
			if s.Name != "login" {
				got = footer.ReplaceAllString(got, "<footer></footer>")
			}
			got = strings.ReplaceAll(got, "><", ">\n<") + "\n"
			file := filepath.Join("testdata", "TestPages", s.Name+".html")
			if *update {
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Errorf("page differs from %s; -update writes it anew (-want +got):\n%s", file, d)
			}
		})
	}
}

// A guest's phone loads one small thing and asks nobody else for anything (DESIGN §6: 30 KB; our own aim is 15).
func TestPageWeight(t *testing.T) {
	outside := regexp.MustCompile(`(?i)<script|<img|<iframe|@import|url\(|\ssrc=|\son[a-z]+=|<link [^>]*href="[^d]|\sstyle=|http-equiv`)
	for _, l := range Locales() {
		for _, s := range Preview(l) {
			page := render(t, s.Page)
			most := 15_000
			if s.Name == "login-all" { // no house offers all, and a theme has to find room beside it
				most = 21_000
			}
			if len(page) > most {
				t.Errorf("%s.%s: %d bytes", s.Name, l, len(page))
			}
			if m := outside.FindString(page); m != "" {
				t.Errorf("%s.%s: has %q", s.Name, l, m)
			}
			dir := "ltr"
			if l == Arabic {
				dir = "rtl"
			}
			for _, must := range []string{`<!doctype html>`, `<html lang="` + string(l) + `" dir="` + dir + `"`, `name="viewport"`, "<h1"} {
				if !strings.Contains(page, must) {
					t.Errorf("%s.%s: lacks %q", s.Name, l, must)
				}
			}
		}
	}
}

func TestLabelsAreBound(t *testing.T) {
	label := regexp.MustCompile(`<label for="([^"]+)"`)
	page := render(t, Preview(English)[0].Page)
	bound := label.FindAllStringSubmatch(page, -1)
	if len(bound) != 3 {
		t.Fatalf("%d labels, want those of user name, password and terms", len(bound))
	}
	for _, m := range bound {
		if strings.Count(page, `id="`+m[1]+`"`) != 1 {
			t.Errorf("label for %q has not exactly one field", m[1])
		}
	}
}

func TestEscaping(t *testing.T) {
	const evil = `"><script>alert(1)</script>{{7*7}}'`
	p := Page{Locale: English, Venue: Venue{Name: evil, Terms: evil}}
	for name, c := range map[string]templ.Component{
		"login": Login{Page: p, Ways: []Way{Password{Username: evil}, Click{TermsVersion: evil}},
			URL: evil, Token: evil, Problem: Problem{Reason: evil}}.View(),
		"status": Status{Page: p, Username: evil, URL: "http://example.com/" + evil, Token: evil}.View(),
		"script": Status{Page: p, URL: "javascript://example.com/%0aalert(1)"}.View(),
		"terms":  Terms{Page: p, Version: evil, URL: evil}.View(),
	} {
		page := render(t, c)
		if strings.Contains(page, "<script") || strings.Contains(page, `href="javascript`) {
			t.Errorf("%s: a value from outside got out of its place:\n%s", name, page)
		}
	}
}

// Every field of every area has words in every language, and every reason that sessions declares has a message.
func TestTextsComplete(t *testing.T) {
	reasons := declaredReasons(t)
	for _, l := range Locales() {
		for name, in := range parts {
			words := reflect.ValueOf(in).MapIndex(reflect.ValueOf(l))
			if !words.IsValid() {
				t.Errorf("%s: nothing of %s", l, name)
				continue
			}
			for i := range words.Elem().NumField() {
				field, what := words.Elem().Field(i), words.Elem().Type().Field(i).Name+" of "+name
				if field.IsZero() {
					t.Errorf("%s: %s is empty", l, what)
				}
				if field.Kind() != reflect.Map {
					continue
				}
				model := reflect.ValueOf(in).MapIndex(reflect.ValueOf(English)).Elem().Field(i)
				for _, key := range model.MapKeys() {
					if text := field.MapIndex(key); !text.IsValid() || text.IsZero() {
						t.Errorf("%s: %s has nothing for %s", l, what, key)
					}
				}
				if field.Len() != model.Len() {
					t.Errorf("%s: %s has %d texts, English has %d", l, what, field.Len(), model.Len())
				}
			}
		}
		problems := maps.Clone(Page{Locale: l}.texts().Problems)
		for _, own := range (Page{Locale: l}).ownProblems() {
			maps.Copy(problems, own)
		}
		for _, r := range append(reasons, Internal, FormExpired) {
			if problems[r] == "" {
				t.Errorf("%s: no words for the reason %q", l, r)
			}
		}
		if got, want := len(problemsInOrder), len(problems); got != want {
			t.Errorf("%s: the preview shows %d problems, the texts know %d", l, got, want)
		}
	}
	if got := english.problem("made up"); got != english.Problems[Internal] {
		t.Errorf("unknown reason reads %q", got)
	}
}

// What is put into a text is put into it in every language, and so are the reasons that a way in tells of by itself.
func TestPlaceholders(t *testing.T) {
	placeholder := regexp.MustCompile(`\{[a-z]+\}`)
	for name, in := range parts {
		texts := map[Locale]map[string]string{}
		for _, l := range Locales() {
			texts[l] = map[string]string{}
			flatten(reflect.ValueOf(in).MapIndex(reflect.ValueOf(l)), "", texts[l])
		}
		for key, text := range texts[English] {
			want := placeholder.FindAllString(text, -1)
			slices.Sort(want)
			for _, l := range Locales() {
				other, ok := texts[l][key]
				got := placeholder.FindAllString(other, -1)
				slices.Sort(got)
				if !ok || !slices.Equal(got, want) {
					t.Errorf("%s.%s in %s puts %v into %q, English %v", name, key, l, got, other, want)
				}
			}
		}
	}
}

// flatten collects texts by their path.
func flatten(v reflect.Value, path string, to map[string]string) {
	switch v.Kind() {
	case reflect.Pointer:
		flatten(v.Elem(), path, to)
	case reflect.String:
		to[path] = v.String()
	case reflect.Struct:
		for i := range v.NumField() {
			flatten(v.Field(i), path+"."+v.Type().Field(i).Name, to)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			flatten(v.MapIndex(key), path+"."+key.String(), to)
		}
	case reflect.Slice, reflect.Array:
		if v.Len() > 0 { // as many as a language needs
			flatten(v.Index(0), path, to)
		}
	}
}

// A language that was chosen by hand is not lost by any link or form.
func TestLinksCarryLanguage(t *testing.T) {
	link := regexp.MustCompile(`(?:href|action)="(/[^"]*)"`)
	for _, s := range Preview(Arabic) {
		page := footer.ReplaceAllString(render(t, s.Page), "") // the choice of a language itself
		for _, m := range link.FindAllStringSubmatch(page, -1) {
			if !strings.Contains(m[1], "lang=ar") {
				t.Errorf("%s: %s forgets the language; make it by Page.Link", s.Name, m[1])
			}
		}
	}
}

func declaredReasons(t *testing.T) []sessions.Reason {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "../sessions/refusal.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []sessions.Reason
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); ok && id.Name == "Reason" {
			s, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, sessions.Reason(s))
		}
		return true
	})
	if len(out) < 13 {
		t.Fatalf("found only %d reasons in sessions", len(out))
	}
	return out
}

func TestChoose(t *testing.T) {
	for header, want := range map[string]Locale{
		"":                                 English,
		"de":                               German,
		"de-CH,de;q=0.9,en;q=0.8":          German,
		"en-GB,en;q=0.9,de;q=0.8":          English,
		"nl-NL, nl;q=0.9, DE;q=0.4":        German,
		"en;q=0.3, de;q=0.7":               German,
		"de;q=0, en;q=0.1":                 English,
		"de;q=NaN":                         English,
		"de;q=7":                           English,
		"zh-Hans-CN, zh;q=0.9":             Chinese,
		"zh-Hant-TW":                       Chinese,
		"pt-BR,pt;q=0.9,en-US;q=0.8":       Portuguese,
		"ar-EG-u-nu-arab":                  Arabic,
		"ja,en-US;q=0.9":                   Japanese,
		"hi-IN":                            Hindi,
		"es-419,es;q=0.9":                  Spanish,
		"*":                                English,
		"nl":                               English,
		"den":                              English,
		",,;;q=,":                          English,
		strings.Repeat("nl,", 1000) + "de": English,
	} {
		if got := Choose(header); got != want {
			t.Errorf("Choose(%.40q) = %s, want %s", header, got, want)
		}
	}
}

func TestFigures(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second:                   "0\u00a0s",
		59*time.Second + 999*1000*1000: "59\u00a0s",
		time.Minute:                    "1\u00a0min",
		2*time.Hour + 119*time.Second:  "2\u00a0h 1\u00a0min",
		100 * time.Hour:                "4\u00a0days",
	} {
		if got := english.duration(d); got != want {
			t.Errorf("duration(%v) = %q, want %q", d, got, want)
		}
	}
	for n, want := range map[uint64]string{
		0:                     "0,0\u00a0kB",
		999_949:               "999,9\u00a0kB",
		999_950:               "1,0\u00a0MB",
		218_400_000:           "218,4\u00a0MB",
		1_500_000_000_000_000: "1500,0\u00a0TB",
	} {
		if got := german.size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
	for _, c := range []struct {
		t    *texts
		d    time.Duration
		want string
	}{
		{&arabic, 72 * time.Hour, "3\u00a0أيام"}, {&arabic, 11 * 24 * time.Hour, "11\u00a0يومًا"}, {&arabic, 102 * 24 * time.Hour, "102\u00a0يوم"},
		{&arabic, 103 * 24 * time.Hour, "103\u00a0أيام"}, {&japanese, 134 * time.Minute, "2時間 14分"}, {&chinese, 40 * time.Second, "40秒"},
		{&hindi, 100 * time.Hour, "4\u00a0दिन"},
	} {
		if got := c.t.duration(c.d); got != c.want {
			t.Errorf("duration(%v) = %q, want %q", c.d, got, c.want)
		}
	}
	if got := french.size(1_500_000); got != "1,5\u00a0Mo" {
		t.Errorf("French writes %q", got)
	}
	for d, want := range map[time.Duration]string{
		0: "0\u00a0s", 1100 * time.Millisecond: "2\u00a0s", time.Minute: "1\u00a0min", 61 * time.Second: "2\u00a0min",
	} {
		if got := english.wait(d); got != want {
			t.Errorf("wait(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestNewStatus(t *testing.T) {
	timeout := sessions.Effective{SessionTimeout: time.Hour}
	s := sessions.Session{Username: "anna", Source: sessions.SourceLocal, Limits: timeout, Used: 15 * time.Minute,
		Usage: sessions.Usage{InputOctets: 1, OutputOctets: 2}}
	show := func(s *sessions.Session) Status {
		v := sessions.StationView{Session: s}
		v.Left, v.Limited = s.Left(s.Used)
		return NewStatus(Page{}, v, time.Time{})
	}
	got := show(&s)
	want := Status{Username: "anna", Limited: true, Left: 45 * time.Minute, Used: 15 * time.Minute, Down: 2, Up: 1}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for name, source := range map[string]sessions.Source{"voucher#7": sessions.SourceVoucher, "stay#7": sessions.SourceLocal} {
		if got := show(&sessions.Session{Username: name, Source: source}); got.Username != "" {
			t.Errorf("a guest is told that he is %s", got.Username)
		}
	}
	s.Source, s.Limits = sessions.SourceGuest, sessions.Effective{}
	if got := show(&s); got.Username != "" || got.Limited {
		t.Errorf("a click-through session shows %+v", got)
	}
}

// WCAG 2.2 §1.4.3: 4.5 to 1 for text, in both schemes; §1.4.11: 3 to 1 for the edges of fields and the focus ring.
func TestContrast(t *testing.T) { wantContrast(t, style, "ours") }

func wantContrast(t *testing.T, sheet, whose string) {
	t.Helper()
	variable := regexp.MustCompile(`--([a-z]+):#([0-9a-f]{3,6})\b`)
	light, rest, ok := strings.Cut(sheet, "@media(prefers-color-scheme:dark)")
	if !ok {
		t.Fatalf("%s: no dark scheme", whose)
	}
	dark, _, _ := strings.Cut(rest, "}}")
	for scheme, css := range map[string]string{"light": light, "dark": dark} {
		c := map[string]float64{}
		for _, m := range variable.FindAllStringSubmatch(css, -1) {
			c[m[1]] = luminance(t, m[2])
		}
		for _, p := range []struct {
			text, ground string
			least        float64
		}{
			{"ink", "paper", 4.5}, {"ink", "card", 4.5}, {"ink", "field", 4.5}, {"soft", "paper", 4.5}, {"soft", "card", 4.5},
			{"accent", "card", 4.5}, {"on", "accent", 4.5}, {"on", "over", 4.5}, {"bad", "badbg", 4.5},
			{"gold", "paper", 3}, {"gold", "card", 3}, {"edge", "card", 3}, {"bad", "card", 3},
		} {
			a, b := c[p.text], c[p.ground]
			if r := (max(a, b) + 0.05) / (min(a, b) + 0.05); r < p.least {
				t.Errorf("%s, %s: %s on %s has %.2f to 1, want %.1f", whose, scheme, p.text, p.ground, r, p.least)
			}
		}
	}
}

func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	part := func(shift uint) float64 {
		v := float64(n>>shift&0xff) / 255
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*part(16) + 0.7152*part(8) + 0.0722*part(0)
}
