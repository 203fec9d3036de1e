package config

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse/sessions"
)

var labels = regexp.MustCompile(`\[[^]]*\]`)

// section reads one table of the file, key by key. Whatever does not fit goes to problems and reads as absent; what
// nobody asked for is told by finish.
type section struct {
	path     string
	values   map[string]any
	asked    []string
	problems *Problems
}

func (s *section) key(name string) string {
	if s.path == "" {
		return name
	}
	return s.path + "." + name
}

// heading is the key as the file spells it in brackets: without what tells one zone from another.
func (s *section) heading(name string) string { return labels.ReplaceAllString(s.key(name), "") }

func (s *section) wrong(name, wrong, mend string) { s.problems.add(s.key(name), wrong, mend) }

func (s *section) has(name string) bool {
	_, ok := s.values[name]
	return ok
}

// take returns the value and remembers that the key is known.
func (s *section) take(name string) (any, bool) {
	s.asked = append(s.asked, name)
	v, ok := s.values[name]
	return v, ok
}

// read takes a value of one TOML type; want names the type with an example.
func read[T any](s *section, name, want string) (T, bool) {
	v, ok := s.take(name)
	if !ok {
		var none T
		return none, false
	}
	t, ok := v.(T)
	if !ok {
		s.wrong(name, "is "+kind(v), "write "+want)
	}
	return t, ok
}

func (s *section) text(name, absent string) string {
	if v, ok := read[string](s, name, `a text in quotes, as in `+name+` = "…"`); ok {
		return v
	}
	return absent
}

func (s *section) required(name, mend string) string {
	v := s.text(name, "")
	if v == "" && (!s.has(name) || s.values[name] == "") {
		s.wrong(name, "is missing", mend)
	}
	return v
}

func (s *section) boolean(name string, absent bool) bool {
	if v, ok := read[bool](s, name, "true or false, without quotes"); ok {
		return v
	}
	return absent
}

// number is an integer between least and most; ok is false when it is absent or wrong.
func (s *section) number(name string, least, most int64) (n int64, ok bool) {
	n, ok = read[int64](s, name, "a whole number without quotes")
	if ok && (n < least || n > most) {
		mend := fmt.Sprintf("use %d to %d", least, most)
		if most >= math.MaxInt32 {
			mend = fmt.Sprintf("use %d or more", least)
		}
		s.wrong(name, fmt.Sprintf("%d is out of range", n), mend)
		return 0, false
	}
	return n, ok
}

// duration is a time span in whole seconds; nil when it is absent or wrong.
func (s *section) duration(name string) *time.Duration {
	if n, isNumber := s.values[name].(int64); isNumber {
		s.take(name)
		s.wrong(name, fmt.Sprintf("%d has no unit", n), fmt.Sprintf(`write "%ds" if seconds are meant; the units are s, m, h and d`, n))
		return nil
	}
	v, ok := read[string](s, name, `a time with its unit in quotes, as in "5m" or "2h"`)
	if !ok {
		return nil
	}
	d, err := parseDuration(v)
	switch {
	case err != nil:
		s.wrong(name, strconv.Quote(v)+" is not a time", `write a number and its unit, as in "30s", "5m", "2h" or "7d"`)
	case d < 0:
		s.wrong(name, strconv.Quote(v)+" is negative", `write a time above zero, or "0s" for no limit`)
	case d%time.Second != 0:
		s.wrong(name, strconv.Quote(v)+" is not in whole seconds", "round it: RADIUS knows no smaller unit")
	default:
		return &d
	}
	return nil
}

// span is a duration with a default and a least value.
func (s *section) span(name string, absent, least time.Duration) time.Duration {
	d := s.duration(name)
	if d == nil {
		return absent
	}
	if *d < least {
		s.wrong(name, fmt.Sprintf("%v is too short", *d), fmt.Sprintf("use %v or more", least))
		return absent
	}
	return *d
}

// minBitRate is the lowest bandwidth that can be asked for: below it a phone finds no page.
const minBitRate sessions.BitRate = 64e3

// bitRate is a bandwidth; nil when it is absent or wrong.
func (s *section) bitRate(name string) *sessions.BitRate {
	if n, isNumber := s.values[name].(int64); isNumber {
		s.take(name)
		s.wrong(name, fmt.Sprintf("%d has no unit", n), fmt.Sprintf(`write "%dMbit" if megabits per second are meant; the units are kbit, Mbit and Gbit`, n))
		return nil
	}
	v, ok := read[string](s, name, `a bandwidth with its unit in quotes, as in "10Mbit"`)
	if !ok {
		return nil
	}
	r, err := sessions.ParseBitRate(v)
	switch {
	case err != nil:
		s.wrong(name, strconv.Quote(v)+" is not a bandwidth", err.Error())
	case r != 0 && r < minBitRate:
		s.wrong(name, strconv.Quote(v)+" is too little", fmt.Sprintf("use %v or more", minBitRate))
	default:
		return &r
	}
	return nil
}

// bound is a bandwidth that is zero when it is absent or wrong.
func (s *section) bound(name string) sessions.BitRate {
	if r := s.bitRate(name); r != nil {
		return *r
	}
	return 0
}

// parseDuration adds days to what the standard library reads.
func parseDuration(v string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(v, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(v)
}

// texts is a list of texts.
func (s *section) texts(name string) []string {
	list, ok := read[[]any](s, name, `a list of texts, as in `+name+` = ["…"]`)
	if !ok {
		return nil
	}
	out := make([]string, 0, len(list))
	for _, v := range list {
		t, ok := v.(string)
		if !ok {
			s.wrong(name, "has an entry that is "+kind(v), "put quotes round every entry")
			continue
		}
		if slices.Contains(out, t) {
			s.wrong(name, strconv.Quote(t)+" is there twice", "remove one of the two")
			continue
		}
		out = append(out, t)
	}
	return out
}

// requiredTexts is a list with at least one text.
func (s *section) requiredTexts(name, mend string) []string {
	list := s.texts(name)
	if given, isList := s.values[name].([]any); !s.has(name) {
		s.wrong(name, "is missing", mend)
	} else if isList && len(given) == 0 {
		s.wrong(name, "is empty", mend)
	}
	return list
}

// oneOf is a text out of a few; the first is the default.
func (s *section) oneOf(name string, choices ...string) string {
	v := s.text(name, choices[0])
	if !slices.Contains(choices, v) {
		s.wrong(name, strconv.Quote(v)+" is not known", "use "+orList(choices))
		return choices[0]
	}
	return v
}

// table opens a sub-table; nil when it is absent or not a table.
func (s *section) table(name string) *section {
	v, ok := read[map[string]any](s, name, "a table, as in ["+s.heading(name)+"]")
	if !ok {
		return nil
	}
	return &section{path: s.key(name), values: v, problems: s.problems}
}

// tables opens an array of tables. Each is called by the text under label where it has one, else by its place in the file.
func (s *section) tables(name, label string) []*section {
	list, ok := read[[]map[string]any](s, name, "tables with two brackets, as in [["+s.heading(name)+"]]")
	if !ok {
		return nil
	}
	out := make([]*section, len(list))
	for i, v := range list {
		called, _ := v[label].(string)
		if called == "" {
			called = "#" + strconv.Itoa(i+1)
		}
		out[i] = &section{path: s.key(name) + "[" + called + "]", values: v, problems: s.problems}
	}
	return out
}

// finish tells every key that nobody asked for.
func (s *section) finish() {
	unknown := make([]string, 0)
	for name := range s.values {
		if !slices.Contains(s.asked, name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	known := slices.Sorted(slices.Values(s.asked))
	for _, name := range unknown {
		s.wrong(name, "is not a key of gatehouse", "remove it, or use one of "+strings.Join(known, ", "))
	}
}

func orList(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = strconv.Quote(w)
	}
	return strings.Join(quoted, " or ")
}

// kind names the TOML type of a decoded value.
func kind(v any) string {
	switch v.(type) {
	case string:
		return "a text"
	case bool:
		return "true or false"
	case int64:
		return "a whole number"
	case float64:
		return "a number with a fraction"
	case time.Time:
		return "a date"
	case []any, []map[string]any:
		return "a list"
	default:
		return "a table"
	}
}
