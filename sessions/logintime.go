package sessions

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// LoginTimes reads the attribute Login-Time, in UUCP's form as FreeRADIUS does: days (Su Mo Tu We Th Fr Sa, Wk for Monday to
// Friday, Any or Al for all; several side by side or, as in Mo-Th, from one to another) and HHMM-HHMM, the last minute included,
// or nothing for all day; several such with commas or bars between. Times over midnight are the day's own, before the second
// time and after the first. What cannot be read lets nobody in, and the error names it.
func LoginTimes(text string) (spans []Span, err error) {
	for _, part := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return r == ',' || r == '|' }) {
		names, times := part, "0000-2359"
		if i := strings.IndexAny(part, "0123456789"); i >= 0 {
			names, times = strings.TrimRight(part[:i], " "), part[i:]
		}
		days, known := weekdays(names)
		from, to, ok := timesOfDay(times)
		if !known || !ok {
			err = fmt.Errorf("Login-Time: %q is not days and times, as in Wk0800-1700,Sa", part)
			continue
		}
		for d := range days {
			switch day := time.Weekday(d); {
			case !days[d]:
			case from <= to:
				spans = append(spans, Span{day, from, to + 1})
			default:
				spans = append(spans, Span{day, 0, to + 1}, Span{day, from, 24 * 60})
			}
		}
	}
	if spans == nil && err == nil {
		err = fmt.Errorf("Login-Time: %q has no days", text)
	}
	return spans, err
}

// weekdays reads names of days; ok tells that there is nothing else.
func weekdays(text string) (days [7]bool, ok bool) {
	for text != "" {
		first, last, rest := weekday(text)
		if after, span := strings.CutPrefix(rest, "-"); span {
			_, last, rest = weekday(after)
		}
		if first < 0 || last < 0 {
			return days, false
		}
		for d := first; ; d = (d + 1) % 7 {
			if days[d] = true; d == last {
				break
			}
		}
		text, ok = rest, true
	}
	return days, ok
}

// weekday reads the name that text begins with; negative: none.
func weekday(text string) (first, last int, rest string) {
	for d, name := range [...]string{"su", "mo", "tu", "we", "th", "fr", "sa", "wk", "any", "al"} {
		after, found := strings.CutPrefix(text, name)
		switch {
		case !found:
		case d > 7:
			return 0, 6, after
		case d == 7:
			return 1, 5, after
		default:
			return d, d, after
		}
	}
	return -1, -1, ""
}

// timesOfDay reads HHMM-HHMM as minutes from midnight.
func timesOfDay(text string) (from, to int, ok bool) {
	first, last, _ := strings.Cut(text, "-")
	from, ok = timeOfDay(first)
	if !ok {
		return 0, 0, false
	}
	to, ok = timeOfDay(last)
	return from, to, ok
}

func timeOfDay(text string) (minutes int, ok bool) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || len(text) != 4 || n > 2400 || n%100 > 59 {
		return 0, false
	}
	return min(int(n)/100*60+int(n)%100, 24*60-1), true
}

// loginHours tells whether an account with this Login-Time may be online at a time, and when that changes; zero: not at all, or
// not known.
func loginHours(text string, now time.Time) (open bool, until time.Time) {
	if text == "" {
		return true, time.Time{}
	}
	spans, _ := LoginTimes(text) // whoever wrote it was told
	if len(spans) == 0 {
		return false, time.Time{}
	}
	return (&Hours{Spans: spans}).At(now)
}
