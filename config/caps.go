package config

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gatehouse/sessions"
)

// parseCaps reads what the zone says about data.
func parseCaps(zone *section, l *sessions.Limits, b *sessions.Bounds) {
	s := zone.table("caps")
	if s == nil {
		return
	}
	limits, bounds := &l.Caps, &b.MaxCaps
	for _, c := range []struct {
		key   string
		limit *sessions.VolumeLimit
		bound *sessions.Volume
	}{
		{"session", &limits.Session, &bounds.Session}, {"day", &limits.Day, &bounds.Day},
		{"week", &limits.Week, &bounds.Week}, {"month", &limits.Month, &bounds.Month},
	} {
		*c.limit = parseVolume(s, c.key)
		most := parseVolume(s, "max_"+c.key)
		for bound, given := range map[*sessions.Bytes]*sessions.Bytes{&c.bound.Up: most.Up, &c.bound.Down: most.Down, &c.bound.Total: most.Total} {
			if given != nil {
				*bound = *given
			}
		}
	}
	l.SlowUp, l.SlowDown = s.bitRate("slow_up"), s.bitRate("slow_down")
	s.finish()
}

func parseVolume(s *section, name string) sessions.VolumeLimit {
	v := s.table(name)
	if v == nil {
		return sessions.VolumeLimit{}
	}
	defer v.finish()
	return sessions.VolumeLimit{Up: v.amount("up"), Down: v.amount("down"), Total: v.amount("total")}
}

// minBytes is the smallest data cap that can be asked for: below it no page loads.
const minBytes sessions.Bytes = 100e3

// amount is an amount of data; nil when it is absent or wrong.
func (s *section) amount(name string) *sessions.Bytes {
	if n, isNumber := s.values[name].(int64); isNumber {
		s.take(name)
		s.wrong(name, fmt.Sprintf("%d has no unit", n), fmt.Sprintf(`write "%dMB" if megabytes are meant; the units are kB, MB, GB, TB and KiB, MiB, GiB, TiB`, n))
		return nil
	}
	v, ok := read[string](s, name, `an amount of data with its unit in quotes, as in "500MB"`)
	if !ok {
		return nil
	}
	b, err := sessions.ParseBytes(v)
	switch {
	case err != nil:
		s.wrong(name, strconv.Quote(v)+" is not an amount of data", err.Error())
	case b != 0 && b < minBytes:
		s.wrong(name, strconv.Quote(v)+" is too little", fmt.Sprintf("use %v or more", minBytes))
	default:
		return &b
	}
	return nil
}

func parseTimeZone(s *section) *time.Location {
	v := s.text("time_zone", "")
	if v == "" {
		return nil
	}
	if z, err := time.LoadLocation(v); err == nil && v != "Local" {
		return z
	}
	z, ok := posixZone(v)
	if !ok {
		s.wrong("time_zone", strconv.Quote(v)+" is not a time zone that this machine knows",
			`write its name, as in "Europe/Berlin" (needs the machine's time zone files), or its rule, as in "CET-1CEST,M3.5.0,M10.5.0/3"`)
		return nil
	}
	return z
}

// posixZone reads a rule as in the variable TZ of POSIX; OpenWrt has it in /etc/TZ, and no files. The standard library knows
// such rules only at the end of a time zone file, so it gets one that has nothing else.
func posixZone(rule string) (*time.Location, bool) {
	const unknown = "?"
	if strings.ContainsAny(rule, "\n\x00") || strings.Contains(rule, unknown) {
		return nil, false
	}
	block := func(b []byte) []byte {
		b = append(append(b, "TZif2"...), make([]byte, 15)...)
		for _, n := range []uint32{0, 0, 0, 0, 1, 2} { // one zone, and two octets for its name
			b = binary.BigEndian.AppendUint32(b, n)
		}
		b = append(b, make([]byte, 6)...) // which is at no distance from UTC
		return append(b, unknown+"\x00"...)
	}
	z, err := time.LoadLocationFromTZData(rule, append(block(block(nil)), "\n"+rule+"\n"...))
	if err != nil {
		return nil, false
	}
	name, _ := time.Unix(0, 0).In(z).Zone()
	return z, name != unknown
}
