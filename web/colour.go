package web

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// colour is one of sRGB.
type colour struct{ r, g, b uint8 }

// parseColour reads #rgb or #rrggbb.
func parseColour(s string) (colour, bool) {
	hex, ok := strings.CutPrefix(s, "#")
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	n, err := strconv.ParseUint(hex, 16, 32)
	return colour{uint8(n >> 16), uint8(n >> 8), uint8(n)}, ok && err == nil && len(hex) == 6
}

func (c colour) String() string { return fmt.Sprintf("#%02x%02x%02x", c.r, c.g, c.b) }

// luminance is the relative luminance of WCAG 2.2.
func (c colour) luminance() float64 {
	part := func(v uint8) float64 {
		if f := float64(v) / 255; f > 0.04045 {
			return math.Pow((f+0.055)/1.055, 2.4)
		}
		return float64(v) / 255 / 12.92
	}
	return 0.2126*part(c.r) + 0.7152*part(c.g) + 0.0722*part(c.b)
}

// contrast is the ratio of WCAG 2.2, from 1 to 21.
func contrast(a, b colour) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// mix is a with that part of b in it.
func mix(a, b colour, part float64) colour {
	one := func(x, y uint8) uint8 { return uint8(math.Round(float64(x)*(1-part) + float64(y)*part)) }
	return colour{one(a.r, b.r), one(a.g, b.g), one(a.b, b.b)}
}

// opposite is black or white, whichever is easier to tell from c.
func (c colour) opposite() colour {
	white := colour{255, 255, 255}
	if contrast(c, white) >= contrast(c, colour{}) {
		return white
	}
	return colour{}
}

// legible is the colour nearest to c, on the way to towards, that has at least this contrast on all grounds; ok is false when none has.
func (c colour) legible(towards colour, least float64, grounds ...colour) (colour, bool) {
	for part := 0.0; part < 1.01; part += 0.05 {
		m, enough := mix(c, towards, min(part, 1)), true
		for _, g := range grounds {
			enough = enough && contrast(m, g) >= least
		}
		if enough {
			return m, true
		}
	}
	return c, false
}
