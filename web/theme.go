package web

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"strings"
)

// ThemeSpec is what an operator says about how the pages look and read. The zero ThemeSpec is our own look.
type ThemeSpec struct {
	Colours    map[string]string // by ColourNames
	LightOnly  bool              // the same on dark screens
	Logo       []byte            // PNG, JPEG, WebP or SVG; in place of the monogram
	Background []byte            // PNG, JPEG or WebP
	Style      string            // CSS after our own
	// Texts take the place of ours: by language, area and key, as Words names them.
	Texts map[string]any
}

// What a theme may weigh, in octets: with everything on, the login page stays below 30 KB. The picture behind it comes later, on top.
const (
	maxLogo       = 5 << 10
	maxBackground = 200 << 10
	maxStyle      = 2 << 10
)

// Theme is a checked ThemeSpec. Nil is our own look.
type Theme struct {
	style      string // the whole style sheet
	hash       string
	logo       string // as a data: address; empty: the monogram
	background []byte
	file       string // name of background; empty: none
	words      map[Locale]map[reflect.Type]any
}

// Fault is one thing that is wrong with a ThemeSpec. Key is the name of a colour, or logo, background_image, style or
// texts.LANGUAGE.AREA.KEY.
type Fault struct{ Key, Wrong, Mend string }

// NewTheme checks a theme, and tells everything that is wrong with it.
func NewTheme(s ThemeSpec) (*Theme, []Fault) {
	var faults []Fault
	t := &Theme{}
	sheet := style + s.palettes(&faults)
	t.logo = s.logo(&faults)
	if kind := s.image("background_image", s.Background, maxBackground, &faults); kind != "" {
		sum := sha256.Sum256(s.Background)
		t.background, t.file = s.Background, hex.EncodeToString(sum[:8])
		sheet += "body{background:var(--paper) url(/theme/" + t.file + ") center/cover}header,footer{padding:.5rem 1rem;border-radius:1rem;background:var(--paper)}"
	}
	checkStyle(s.Style, &faults)
	t.style = sheet + s.Style
	t.hash = hashOf(t.style)
	t.words = overrides(s.Texts, &faults)
	return t, faults
}

func (s ThemeSpec) palettes(faults *[]Fault) string {
	if len(s.Colours) == 0 && !s.LightOnly {
		return ""
	}
	light, dark := palettes()
	light = light.apply(s.Colours, "", faults)
	if s.LightOnly {
		return ":root{color-scheme:light}" + light.css() + "@media(prefers-color-scheme:dark){" + light.css() + "}"
	}
	said := map[string]string{}
	for name, v := range s.Colours {
		said[name] = v
	}
	// A colour that was said for light screens only is made brighter for dark ones.
	for _, name := range []string{"accent", "highlight"} {
		if _, ok := said[name+"_dark"]; ok || said[name] == "" {
			continue
		}
		if c, ok := parseColour(said[name]); ok {
			ground := dark["card"]
			if g, ok := parseColour(said["card_dark"]); ok {
				ground = g
			}
			c, _ = c.legible(ground.opposite(), forText, ground)
			said[name+"_dark"] = c.String()
		}
	}
	return light.css() + "@media(prefers-color-scheme:dark){" + dark.apply(said, "_dark", faults).css() + "}"
}

// image is the media type of a picture that may be shown.
func (s ThemeSpec) image(key string, data []byte, most int, faults *[]Fault) string {
	if data == nil {
		return ""
	}
	kind := http.DetectContentType(data)
	switch {
	case kind != "image/png" && kind != "image/jpeg" && kind != "image/webp":
		*faults = append(*faults, Fault{key, "is not a picture that phones show", "use PNG, JPEG or WebP"})
	case len(data) > most:
		*faults = append(*faults, Fault{key, fmt.Sprintf("is %d KB large", (len(data)+1023)>>10), fmt.Sprintf("make it smaller: at most %d KB", most>>10)})
	default:
		return kind
	}
	return ""
}

func (s ThemeSpec) logo(faults *[]Fault) string {
	kind := ""
	if strings.Contains(string(s.Logo), "<svg") {
		switch {
		case len(s.Logo) > maxLogo:
			*faults = append(*faults, Fault{"logo", fmt.Sprintf("is %d KB large", (len(s.Logo)+1023)>>10), fmt.Sprintf("make it smaller: at most %d KB", maxLogo>>10)})
		case harmful.Match(s.Logo):
			*faults = append(*faults, Fault{"logo", fmt.Sprintf("has %q in it, which a drawing does not need", harmful.Find(s.Logo)), "save it as a plain SVG of shapes, without scripts, fonts, pictures or links"})
		default:
			kind = "image/svg+xml"
		}
	} else {
		kind = s.image("logo", s.Logo, maxLogo, faults)
	}
	if kind == "" {
		return ""
	}
	return "data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(s.Logo)
}

var (
	// harmful is what runs or loads something in an SVG.
	harmful = regexp.MustCompile(`(?i)<script|<foreignobject|<image|<iframe|<!entity|<!doctype|<animate|<set\b|\son[a-z]+\s*=|javascript:|@import|(?:href\s*=\s*|url\(\s*)["']?[^"'#\s]`)
	// outside is what loads something from elsewhere in CSS, or ends it.
	outside = regexp.MustCompile(`(?i)@import|</|https?:|url\(\s*["']?//|\\`)
	loads   = regexp.MustCompile(`(?i)url\(\s*["']?[^"')]{0,5}`)
)

func checkStyle(css string, faults *[]Fault) {
	fault := func(wrong, mend string) { *faults = append(*faults, Fault{"style", wrong, mend}) }
	if len(css) > maxStyle {
		fault(fmt.Sprintf("is %d KB large", (len(css)+1023)>>10), fmt.Sprintf("shorten it: at most %d KB", maxStyle>>10))
	}
	if found := outside.FindString(css); found != "" {
		fault(fmt.Sprintf("has %q in it", found), "pages load nothing from elsewhere, and need no backslash: write letters as they are")
	}
	for _, found := range loads.FindAllString(css, -1) {
		if !strings.HasSuffix(strings.ToLower(found), "data:") {
			fault(fmt.Sprintf("has %q in it", found), "put a small picture in as data:, or use background_image")
		}
	}
	if strings.Count(css, "{") != strings.Count(css, "}") {
		fault("has more braces of one kind than of the other", "close every brace")
	}
}

// StyleHash is the source expression for the style sheet, for a Content-Security-Policy: 'sha256-...'.
func (t *Theme) StyleHash() string {
	if t == nil {
		return styleHash
	}
	return t.hash
}

// Background is the picture behind the page, and its name in the style sheet, as /theme/NAME; nil: there is none. It never
// changes under its name.
func (t *Theme) Background() (name string, picture []byte) {
	if t == nil {
		return "", nil
	}
	return t.file, t.background
}

// Sheet is the whole style sheet.
func (t *Theme) Sheet() string {
	if t == nil {
		return style
	}
	return t.style
}

// Logo is the logo as a data: address; empty: there is none.
func (t *Theme) Logo() string {
	if t == nil {
		return ""
	}
	return t.logo
}
