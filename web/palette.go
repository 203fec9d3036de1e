package web

import (
	"fmt"
	"regexp"
	"strings"
)

// ColourNames are what an operator may set, each for light and, with _dark, for dark screens.
func ColourNames() []string { return []string{"accent", "background", "card", "text", "highlight"} }

// The contrasts of WCAG 2.2 §1.4.3 and §1.4.11, AA.
const (
	forText  = 4.5
	forLines = 3.0
)

// palette is the colours of one scheme by the names that the style sheet gives them.
type palette map[string]colour

// palettes are our own, light and dark, as the style sheet has them.
func palettes() (light, dark palette) {
	variable := regexp.MustCompile(`--([a-z]+):(#[0-9a-f]{3,6})\b`)
	first, rest, _ := strings.Cut(style, "@media(prefers-color-scheme:dark)")
	second, _, _ := strings.Cut(rest, "}}")
	read := func(css string) palette {
		p := palette{}
		for _, m := range variable.FindAllStringSubmatch(css, -1) {
			p[m[1]], _ = parseColour(m[2])
		}
		return p
	}
	return read(first), read(second)
}

// apply puts an operator's colours over a palette and derives those that go with them. suffix tells the scheme in faults.
func (p palette) apply(said map[string]string, suffix string, faults *[]Fault) palette {
	own := map[string]colour{}
	for _, name := range ColourNames() {
		v, ok := said[name+suffix]
		if !ok {
			continue
		}
		c, ok := parseColour(v)
		if !ok {
			*faults = append(*faults, Fault{name + suffix, fmt.Sprintf("%q is not a colour", v), `write it as in "#1d4d48"`})
			continue
		}
		own[name] = c
	}
	if len(own) == 0 {
		return p
	}
	q := palette{}
	for name, c := range p {
		q[name] = c
	}
	for name, to := range map[string]string{"accent": "accent", "background": "paper", "card": "card", "text": "ink", "highlight": "gold"} {
		if c, ok := own[name]; ok {
			q[to] = c
		}
	}
	q.derive(own, suffix, faults)
	return q
}

// derive sets what follows from the colours that were said, and checks that everything can be read.
func (p palette) derive(own map[string]colour, suffix string, faults *[]Fault) {
	paper, card, ink := p["paper"], p["card"], p["ink"]
	check := func(name, key string, least float64, grounds map[string]colour) {
		for _, ground := range []string{"background", "card"} {
			g, ok := grounds[ground]
			if !ok {
				continue
			}
			if r := contrast(p[key], g); r < least {
				mend := "choose one that differs more"
				if better, ok := p[key].legible(g.opposite(), least, g); ok {
					mend += ", as " + better.String()
				}
				*faults = append(*faults, Fault{name + suffix, fmt.Sprintf("%v on the %s %v has a contrast of %.1f to 1, and needs %.1f", p[key], ground, g, r, least), mend})
			}
		}
	}
	both := map[string]colour{"background": paper, "card": card}
	check("text", "ink", forText, both)
	check("accent", "accent", forText, map[string]colour{"card": card})
	check("highlight", "gold", forLines, both)
	if _, ok := own["accent"]; ok {
		p["on"] = p["accent"].opposite()
		p["over"] = mix(p["accent"], p["on"].opposite(), 0.2)
	}
	_, newCard := own["card"]
	_, newPaper := own["background"]
	_, newInk := own["text"]
	if newCard || newPaper || newInk {
		p["field"] = card
		p["line"] = mix(card, ink, 0.15)
		p["soft"], _ = mix(ink, card, 0.35).legible(ink, forText, paper, card)
		p["edge"], _ = mix(ink, card, 0.5).legible(ink, forLines, card)
		p["badbg"] = mix(card, p["bad"], 0.1)
		p["bad"], _ = p["bad"].legible(card.opposite(), forText, card, p["badbg"])
	}
}

func (p palette) css() string {
	var b strings.Builder
	for _, name := range []string{"paper", "card", "ink", "soft", "line", "edge", "field", "accent", "over", "on", "gold", "bad", "badbg"} {
		fmt.Fprintf(&b, "--%s:%v;", name, p[name])
	}
	return ":root{" + strings.TrimSuffix(b.String(), ";") + "}"
}
