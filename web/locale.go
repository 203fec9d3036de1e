package web

import (
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Locale is a language that the pages speak, as a BCP 47 tag.
type Locale string

// The languages.
const (
	English    Locale = "en"
	Spanish    Locale = "es"
	French     Locale = "fr"
	German     Locale = "de"
	Portuguese Locale = "pt"
	Italian    Locale = "it"
	Arabic     Locale = "ar"
	Chinese    Locale = "zh"
	Japanese   Locale = "ja"
	Hindi      Locale = "hi"
)

// Locales are all languages that are complete, the default first.
func Locales() []Locale {
	return []Locale{English, Spanish, French, German, Portuguese, Italian, Arabic, Chinese, Japanese, Hindi}
}

// name is what the language calls itself.
func (l Locale) name() string {
	switch l {
	case Spanish:
		return "Español"
	case French:
		return "Français"
	case German:
		return "Deutsch"
	case Portuguese:
		return "Português"
	case Italian:
		return "Italiano"
	case Arabic:
		return "العربية"
	case Chinese:
		return "中文"
	case Japanese:
		return "日本語"
	case Hindi:
		return "हिन्दी"
	}
	return "English"
}

// Named is the language that a page's address asks for by ?lang=.
func Named(tag string) (Locale, bool) { return match(tag) }

// area is all words of one part of the pages, in every language: a part has a file of its own, texts_PART.go.
type area[T any] map[Locale]*T

// words are those of an area in the page's language.
func words[T any](p Page, in area[T]) *T {
	if p.Venue.Theme != nil {
		if own, ok := p.Venue.Theme.words[p.Locale][reflect.TypeFor[T]()]; ok {
			return own.(*T)
		}
	}
	if t, ok := in[p.Locale]; ok {
		return t
	}
	return in[English]
}

// Choose picks the language that an Accept-Language header (RFC 9110 §12.5.4) likes best of those we have. The default
// is English.
func Choose(acceptLanguage string) Locale {
	best, bestQ := English, 0.0
	for n := 0; acceptLanguage != "" && n < 32; n++ {
		var item string
		item, acceptLanguage, _ = strings.Cut(acceptLanguage, ",")
		tag, params, _ := strings.Cut(item, ";")
		l, ok := match(strings.TrimSpace(tag))
		if q := quality(params); ok && q > bestQ {
			best, bestQ = l, q
		}
	}
	return best
}

func match(tag string) (Locale, bool) {
	primary, _, _ := strings.Cut(tag, "-")
	for _, l := range Locales() {
		if strings.EqualFold(primary, string(l)) {
			return l, true
		}
	}
	return "", false
}

func quality(params string) float64 {
	v, ok := strings.CutPrefix(strings.TrimSpace(params), "q=")
	if !ok {
		return 1
	}
	q, err := strconv.ParseFloat(v, 64)
	if err != nil || !(q >= 0 && q <= 1) {
		return 0
	}
	return q
}

// duration rounds down, so that no guest is promised more than there is.
func (t *texts) duration(d time.Duration) string {
	d = max(0, d)
	switch {
	case d < time.Minute:
		return count(t.Seconds, int64(d/time.Second))
	case d < time.Hour:
		return count(t.Minutes, int64(d/time.Minute))
	case d < 72*time.Hour:
		return count(t.Hours, int64(d/time.Hour)) + " " + count(t.Minutes, int64(d%time.Hour/time.Minute))
	}
	days, form := int64(d/(24*time.Hour)), 0
	if last := days % 100; len(t.Days) == 3 && last > 10 {
		form = 1
	} else if len(t.Days) == 3 && last < 3 {
		form = 2
	}
	return count(t.Days[form], days)
}

func count(pattern string, n int64) string {
	return strings.ReplaceAll(pattern, "{n}", strconv.FormatInt(n, 10))
}

// wait rounds up: who comes back when told to must not come too early.
func (t *texts) wait(d time.Duration) string {
	unit := time.Second
	if d > time.Minute {
		unit = time.Minute
	}
	return t.duration((d + unit - 1).Truncate(unit))
}

// size writes octets in decimal units, as phones do.
func (t *texts) size(octets uint64) string {
	v, i := float64(octets)/1000, 0
	for v >= 999.95 && i < len(t.Units)-1 {
		v, i = v/1000, i+1
	}
	return strings.Replace(strconv.FormatFloat(v, 'f', 1, 64), ".", t.Decimal, 1) + "\u00a0" + t.Units[i]
}
