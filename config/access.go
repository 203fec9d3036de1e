package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gatehouse/sessions"
)

const (
	maxStations        = 4096 // of one zone's lists, each
	maxNote            = 200  // octets
	defaultSpoofingFor = 10 * time.Minute
	minSpoofingFor     = 10 * time.Second
)

// parseAccess reads who is blocked, trusted and pre-authorized in a zone. The kinds are told in the order in which they
// count.
func parseAccess(s *section) []sessions.AccessRule {
	p := accessParser{list: map[sessions.MAC]string{}}
	p.texts(s, "blocked", sessions.AccessBlocked)
	p.texts(s, "trusted", sessions.AccessTrusted)
	p.tables(s)
	return p.rules
}

// accessParser collects rules, and in which list each MAC address is.
type accessParser struct {
	rules []sessions.AccessRule
	list  map[sessions.MAC]string
}

func (p *accessParser) texts(s *section, key string, kind sessions.AccessKind) {
	entries := s.texts(key)
	if len(entries) > maxStations {
		s.wrong(key, fmt.Sprintf("has %d entries", len(entries)), fmt.Sprintf("keep %d or fewer", maxStations))
		return
	}
	for _, entry := range entries {
		mac, note, _ := strings.Cut(strings.TrimSpace(entry), " ")
		p.add(s, key, key, mac, sessions.AccessRule{Kind: kind, Note: strings.TrimSpace(note)})
	}
}

func (p *accessParser) tables(zone *section) {
	const key = "preauthorized"
	for _, s := range zone.tables(key, "mac") {
		mac := s.required("mac", `write the MAC address of the device, as in "02:00:5e:10:00:01"`)
		r := sessions.AccessRule{Kind: sessions.AccessPreauthorized, Note: s.text("note", ""),
			Account: s.required("account", "name the account as which the device is logged in")}
		if bad := unprintable(r.Account, maxAttribute); bad && r.Account != "" || strings.TrimSpace(r.Account) != r.Account {
			s.wrong("account", strconv.Quote(r.Account)+" cannot be a user name", "use 1 to 253 printable octets, and no space at the ends")
		}
		if mac != "" {
			p.add(s, "mac", key, mac, r)
		}
		s.finish()
	}
}

// add takes a rule for a MAC address, which key names, into a list.
func (p *accessParser) add(s *section, key, list, mac string, r sessions.AccessRule) {
	var err error
	r.MAC, err = sessions.ParseMAC(mac)
	other, twice := p.list[r.MAC]
	switch {
	case err != nil:
		s.wrong(key, strconv.Quote(mac)+" is not a MAC address", "write twelve hexadecimal digits, as in 02:00:5e:10:00:01; what comes after a space is a note")
	case r.MAC == sessions.MAC{} || r.MAC[0]&1 != 0:
		s.wrong(key, strconv.Quote(mac)+" is no device's MAC address", "use the one that the device or \"gatehouse stations\" shows")
	case unprintable(r.Note, maxNote):
		s.wrong(key, "the note of "+r.MAC.String()+" is too long or not printable", fmt.Sprintf("use %d octets or fewer", maxNote))
	case twice && other == list:
		s.wrong(key, r.MAC.String()+" is there twice", "remove one of the two")
	case twice:
		s.wrong(key, r.MAC.String()+" is in "+other+" too, which would count", "keep it in one of the two")
	default:
		p.list[r.MAC] = list
		p.rules = append(p.rules, r)
	}
}

func unprintable(text string, most int) bool {
	return len(text) > most || !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

func parseSpoofing(s *section) sessions.Spoofing {
	return sessions.Spoofing{
		Treatment: sessions.Treatment(s.oneOf("spoofing", string(sessions.TreatLog), string(sessions.TreatCaptive), string(sessions.TreatBlock))),
		For:       s.span("spoofing_for", defaultSpoofingFor, minSpoofingFor),
	}
}
