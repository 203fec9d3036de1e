package config

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse/sessions"
)

var (
	openingHours = regexp.MustCompile(`^([A-Z][a-z]{2}(?:[-,][A-Z][a-z]{2})*) (\d\d):(\d\d)-(\d\d):(\d\d)$`)
	weekdays     = regexp.MustCompile(`([A-Z][a-z]{2})(?:-([A-Z][a-z]{2}))?`)
)

func parseHours(s *section) sessions.Hours {
	h := sessions.Hours{Closed: s.texts("closed_on")}
	for _, text := range s.texts("opening_hours") {
		spans, ok := parseSpans(text)
		if !ok {
			s.wrong("opening_hours", strconv.Quote(text)+" cannot be read", `write days and times, as in "Mon-Fri 08:00-22:00", "Sat,Sun 10:00-24:00" or, past midnight, "Sat 22:00-02:00"`)
		}
		h.Spans = append(h.Spans, spans...)
	}
	for _, date := range h.Closed {
		_, once := time.Parse(time.DateOnly, date)
		_, yearly := time.Parse(time.DateOnly, "2024-"+date) // which has a 29th of February
		if once != nil && yearly != nil {
			s.wrong("closed_on", strconv.Quote(date)+" is not a date", `write "2026-12-24", or "12-25" for every year`)
		}
	}
	if len(h.Closed) > 0 && !s.has("opening_hours") {
		s.wrong("closed_on", "is there without opening_hours", `add opening_hours, as in ["Mon-Sun 00:00-24:00"]`)
	}
	return h
}

func parseSpans(text string) ([]sessions.Span, bool) {
	m := openingHours.FindStringSubmatch(text)
	if m == nil {
		return nil, false
	}
	from, fromOK := minutes(m[2], m[3])
	to, toOK := minutes(m[4], m[5])
	if !fromOK || !toOK || from == to || from == 24*60 {
		return nil, false
	}
	if to < from {
		to += 24 * 60
	}
	var spans []sessions.Span
	for _, days := range weekdays.FindAllStringSubmatch(m[1], -1) {
		first, last := weekday(days[1]), weekday(days[1])
		if days[2] != "" {
			last = weekday(days[2])
		}
		if first < 0 || last < 0 {
			return nil, false
		}
		for d := first; ; d = (d + 1) % 7 {
			spans = append(spans, sessions.Span{Day: time.Weekday(d), From: from, To: to})
			if d == last {
				break
			}
		}
	}
	return spans, true
}

func minutes(hours, minutes string) (n int, ok bool) {
	h, _ := strconv.Atoi(hours) // two digits each
	m, _ := strconv.Atoi(minutes)
	return h*60 + m, m < 60 && h*60+m <= 24*60
}

func weekday(name string) int {
	return slices.Index(strings.Fields("Sun Mon Tue Wed Thu Fri Sat"), name)
}
