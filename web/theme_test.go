package web

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// Whatever colours are accepted, everything can be read, in both schemes: what was said, and what follows from it.
func TestThemesCanBeRead(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	taken := 0
	for range 4000 {
		said := map[string]string{}
		for _, name := range ColourNames() {
			for _, suffix := range []string{"", "_dark"} {
				if r.IntN(3) == 0 {
					said[name+suffix] = colour{uint8(r.Uint32()), uint8(r.Uint32()), uint8(r.Uint32())}.String()
				}
			}
		}
		theme, faults := NewTheme(ThemeSpec{Colours: said, LightOnly: r.IntN(4) == 0})
		if len(faults) > 0 || len(said) == 0 {
			continue
		}
		taken++
		_, own, _ := strings.Cut(theme.Sheet(), style)
		wantContrast(t, own, fmt.Sprintf("%v of seed %d", said, seed))
		if t.Failed() {
			return
		}
	}
	if taken < 20 {
		t.Errorf("only %d themes were accepted", taken)
	}
	for range 200 {
		c := func() string { return colour{uint8(r.Uint32()), uint8(r.Uint32()), uint8(r.Uint32())}.String() }
		a, b := c(), c()
		_, own, _ := strings.Cut(Brand(a, b, nil).Sheet(), style)
		wantContrast(t, own, fmt.Sprintf("brand %s and %s of seed %d", a, b, seed))
	}
}

// Our own palettes are what the style sheet says, and need no mending.
func TestOwnPalettes(t *testing.T) {
	light, dark := palettes()
	for _, p := range []palette{light, dark} {
		if len(p) != 13 {
			t.Errorf("a palette of %d colours: %v", len(p), p)
		}
	}
	theme, faults := NewTheme(ThemeSpec{})
	if len(faults) > 0 || theme.Sheet() != style || theme.StyleHash() != (*Theme)(nil).StyleHash() {
		t.Errorf("an empty theme changes the pages: %v", faults)
	}
}

func TestPictures(t *testing.T) {
	png := []byte("\x89PNG\r\n\x1a\n")
	for name, c := range map[string]struct {
		spec ThemeSpec
		say  string
	}{
		"a PNG":            {ThemeSpec{Logo: png}, ""},
		"a large one":      {ThemeSpec{Logo: append(png, make([]byte, maxLogo)...)}, "is 6 KB large"},
		"a GIF":            {ThemeSpec{Logo: []byte("GIF89a")}, "is not a picture that phones show"},
		"SVG behind":       {ThemeSpec{Background: []byte("<svg/>")}, "is not a picture that phones show"},
		"gradients":        {ThemeSpec{Logo: []byte(`<svg><defs><linearGradient id="a"/></defs><path fill="url(#a)"/><use href="#a"/></svg>`)}, ""},
		"a link":           {ThemeSpec{Logo: []byte(`<svg><a href="//x"/></svg>`)}, "has"},
		"a picture inside": {ThemeSpec{Logo: []byte(`<svg><image/></svg>`)}, `has "<image"`},
		"an entity":        {ThemeSpec{Logo: []byte(`<!DOCTYPE x [<!ENTITY a "b">]><svg/>`)}, `has "<!DOCTYPE"`},
		"a handler":        {ThemeSpec{Logo: []byte("<svg\nonload = 'x'/>")}, "has"},
		"own CSS":          {ThemeSpec{Style: `.mark{background:url("data:image/png;base64,AA==")}`}, ""},
		"its end":          {ThemeSpec{Style: `</style><script>`}, `has "</"`},
		"an escape":        {ThemeSpec{Style: `a{background:u\72l(x)}`}, `has "\\"`},
		"a set":            {ThemeSpec{Style: `a{background:image-set("https://x" 1x)}`}, `has "https:"`},
	} {
		_, faults := NewTheme(c.spec)
		said := fmt.Sprint(faults)
		if (len(faults) == 0) != (c.say == "") || !strings.Contains(said, c.say) {
			t.Errorf("%s: %s, want %q", name, said, c.say)
		}
	}
}

// The fullest login page, with the largest theme, is below the 30 KB of DESIGN §6, headers included.
func TestFullestPage(t *testing.T) {
	spec := ThemeSpec{Colours: map[string]string{"accent": "#7a1f2b"}, Logo: append([]byte("\x89PNG\r\n\x1a\n"), make([]byte, maxLogo-8)...),
		Style: "a{" + strings.Repeat(" ", maxStyle-3) + "}"}
	theme, faults := NewTheme(spec)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	for _, l := range Locales() {
		for _, s := range PreviewOf(Venue{Name: "Hotel Seeblick", Theme: theme}, l) {
			if page := render(t, s.Page); strings.HasPrefix(s.Name, "login-all") && len(page) > 30_000 {
				t.Errorf("%s: %s weighs %d bytes", l, s.Name, len(page))
			}
		}
	}
}
