package config

import (
	"slices"

	"gatehouse/sessions"
)

// WISPr is what software is told that logs in by itself (WISPr 1.0).
type WISPr struct {
	AccessLocation string // WISPr-Location-ID
	LocationName   string // operator and place
}

// parseWISPr returns nil where a zone has it switched off.
func parseWISPr(s *section, z *Zone) *WISPr {
	on := s.boolean("wispr", false)
	w := &WISPr{AccessLocation: s.text("wispr_location_id", ""), LocationName: s.text("wispr_location_name", "")}
	for key, value := range map[string]string{"wispr_location_id": w.AccessLocation, "wispr_location_name": w.LocationName} {
		switch {
		case value != "" && !on:
			s.wrong(key, "is there, and wispr is not switched on", "say wispr = true, or remove it")
		case unprintable(value, maxAttribute):
			s.wrong(key, "is too long or not printable", "use 253 octets or fewer")
		}
	}
	if !on {
		return nil
	}
	takes := []sessions.Method{sessions.MethodPassword, sessions.MethodToken, sessions.MethodVoucher}
	if !slices.ContainsFunc(z.Methods, func(m sessions.Method) bool { return slices.Contains(takes, m) }) {
		s.wrong("wispr", "needs a way in that software can take by itself", `add "password", "token" or "voucher" to methods, or remove wispr`)
	}
	if z.TermsForAll {
		s.wrong("terms_for_all", "asks for what software that logs in by itself cannot accept", "remove it, or wispr")
	}
	if w.AccessLocation == "" {
		network := z.Place.SSID
		if network == "" {
			network = z.Name
		}
		w.AccessLocation = "isocc=,cc=,ac=,network=" + network
	}
	return w
}
