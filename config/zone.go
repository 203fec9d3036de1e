package config

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"time"

	"gatehouse/sessions"
)

var (
	zoneName      = regexp.MustCompile(`^[a-z][a-z0-9_]{0,14}$`)
	interfaceName = regexp.MustCompile(`^[^\s/:*"]{1,15}$`)
)

func parseZones(root *section, https bool) []Zone {
	sections := root.tables("zone", "name")
	if len(sections) == 0 && !slices.ContainsFunc(*root.problems, func(p Problem) bool { return p.Key == "zone" }) {
		root.wrong("zone", "is missing", "describe at least one guest network with [[zone]]")
	}
	zones := make([]Zone, len(sections))
	ownerOf := map[string]string{} // interface -> zone
	names := map[string]bool{}
	for i, s := range sections {
		z := parseZone(s, https)
		zones[i] = z
		if names[z.Name] && z.Name != "" {
			s.wrong("name", "two zones are called "+strconv.Quote(z.Name), "give each zone a name of its own")
		}
		names[z.Name] = true
		if z.Offers(sessions.MethodToken) && !root.has("centre") {
			s.wrong("methods", `"token" needs a centre, which is who knows user tokens`, "add [centre], or remove \"token\"")
		}
		for _, ifname := range z.Interfaces {
			if owner, taken := ownerOf[ifname]; taken {
				s.wrong("interfaces", strconv.Quote(ifname)+" already belongs to zone "+strconv.Quote(owner), "leave it to one of the two")
				continue
			}
			ownerOf[ifname] = z.Name
		}
		s.finish()
	}
	return zones
}

func parseZone(s *section, https bool) Zone {
	name := s.required("name", `name the zone, as in "guest"`)
	if name != "" && !zoneName.MatchString(name) {
		s.wrong("name", strconv.Quote(name)+" cannot be a zone's name", "use up to 15 small letters, digits and underscores, a letter first")
	}
	z := Zone{
		Interfaces: parseInterfaces(s),
		Masquerade: s.boolean("masquerade", false),
		OnStop:     OnStop(s.oneOf("on_stop", string(StopClosed), string(StopOpen))),
		Management: parsePrefixes(s, "management"),
		Garden:     parseGarden(s),
		Isolation:  parseIsolation(s),
		VenueURL:   parseVenueURL(s),

		Disassociate: s.boolean("disassociate", false),
	}
	z.Name = name
	z.Methods, z.AllowCleartext = parseMethods(s, https)
	z.TermsForAll = s.boolean("terms_for_all", false)
	z.Terms, z.TermsFile, z.TermsVersion = parseTerms(s, &z.Zone)
	z.Trial = parseTrial(s, z.Methods)
	z.Hours = parseHours(s)
	z.Proofs = parseProofs(s, &z.Zone, https)
	z.Remember, z.AddDevices = s.span("remember", 0, time.Hour), s.boolean("add_devices", false)
	z.Limits = sessions.Limits{
		SessionTimeout:  s.duration("session_timeout"),
		IdleTimeout:     s.duration("idle_timeout"),
		InterimInterval: s.duration("interim_interval"),
		SimultaneousUse: parseSimultaneousUse(s),
		BandwidthUp:     s.bitRate("bandwidth_up"),
		BandwidthDown:   s.bitRate("bandwidth_down"),
	}
	z.Bounds = sessions.Bounds{
		MaxSessionTimeout: s.span("max_session_timeout", 0, 0),
		MaxIdleTimeout:    s.span("max_idle_timeout", 0, 0),
		MaxBandwidthUp:    s.bound("max_bandwidth_up"),
		MaxBandwidthDown:  s.bound("max_bandwidth_down"),
	}
	parseCaps(s, &z.Limits, &z.Bounds)
	z.CapUp, z.CapDown = s.bound("bandwidth_zone_up"), s.bound("bandwidth_zone_down")
	z.Place = parsePlace(s)
	if len(z.Interfaces) > 0 {
		z.Place.NASPortID = z.Interfaces[0]
	}
	z.AccessPoints = parseAccessPoints(s)
	parseAfter(s, &z)
	z.Access, z.Spoofing = parseAccess(s), parseSpoofing(s)
	z.WISPr = parseWISPr(s, &z)
	z.theme = parseTheme(s)
	return z
}

func parseInterfaces(s *section) []string {
	names := s.requiredTexts("interfaces", `name the network interface that the guests are on, as in interfaces = ["br-guest"]`)
	for _, n := range names {
		if !interfaceName.MatchString(n) {
			s.wrong("interfaces", strconv.Quote(n)+" cannot be an interface's name", "use the name that \"ip link\" shows")
		}
	}
	return names
}

// Reaches tells whether guests of the zone may need a short way out before they are in: to a provider's page, to their mail.
func (z *Zone) Reaches() bool {
	return z.Offers(sessions.MethodOIDC) || z.Offers(sessions.MethodEmail) || z.Offers(sessions.MethodRegister)
}

// waysIn are those that a zone may offer.
func waysIn() []string {
	return []string{
		string(sessions.MethodClick),
		string(sessions.MethodPassword),
		string(sessions.MethodVoucher),
		string(sessions.MethodToken),
		string(sessions.MethodRoom),
		string(sessions.MethodTrial),
		string(sessions.MethodEmail),
		string(sessions.MethodSMS),
		string(sessions.MethodRegister),
		string(sessions.MethodSponsor),
		string(sessions.MethodOIDC),
	}
}

func parseMethods(s *section, https bool) ([]sessions.Method, bool) {
	clear := s.boolean("allow_cleartext", false)
	names := s.requiredTexts("methods", `say how guests get in, as in methods = ["click", "voucher"]`)
	methods := make([]sessions.Method, 0, len(names))
	for _, n := range names {
		if !slices.Contains(waysIn(), n) {
			s.wrong("methods", strconv.Quote(n)+" is not known", "use "+orList(waysIn()))
			continue
		}
		methods = append(methods, sessions.Method(n))
	}
	if slices.ContainsFunc(methods, sessions.Method.Secret) && !clear && !https {
		s.wrong("methods", "passwords need HTTPS, and the portal has no certificate",
			`give it one (portal.name, certificate and key), or say allow_cleartext = true if the guests' Wi-Fi is encrypted and you accept that passwords cross it in clear text`)
	}
	return methods, clear
}

func parseTerms(s *section, z *sessions.Zone) (text, file, version string) {
	text, file, version = s.text("terms", ""), absolute(s, "terms_file", ""), s.text("terms_version", "")
	demanded := slices.ContainsFunc(z.Methods, z.DemandsTerms)
	switch {
	case text != "" && file != "":
		s.wrong("terms_file", "terms and terms_file are both there", "keep one of the two")
	case demanded && text == "" && file == "":
		s.wrong("terms", "is missing, and guests need something to agree to", `give the text in terms, or the path of a text file in terms_file`)
	}
	if version == "" && text != "" {
		version = termsVersion(text)
	}
	return text, file, version
}

// termsVersion names a text by what it says, so that no operator can change the one and forget the other.
func termsVersion(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:6])
}

func parseSimultaneousUse(s *section) *int {
	n, ok := s.number("simultaneous_use", 0, math.MaxInt32)
	if !ok {
		return nil
	}
	use := int(n)
	return &use
}

func parsePrefixes(s *section, name string) []netip.Prefix {
	var out []netip.Prefix
	for _, v := range s.texts(name) {
		p, err := netip.ParsePrefix(v)
		if err != nil {
			if a, aerr := netip.ParseAddr(v); aerr == nil {
				p, err = netip.PrefixFrom(a, a.BitLen()), nil
			}
		}
		switch {
		case err != nil || p.Addr().Zone() != "":
			s.wrong(name, strconv.Quote(v)+" is not an address or a prefix", `write it as in "192.0.2.10" or "192.0.2.0/24"`)
		case p != p.Masked():
			s.wrong(name, strconv.Quote(v)+" has host bits", "write "+strconv.Quote(p.Masked().String())+" for the network or "+strconv.Quote(p.Addr().String())+" for the one machine")
		case slices.ContainsFunc(out, p.Overlaps):
			s.wrong(name, strconv.Quote(v)+" overlaps another entry", "keep the wider of the two")
		default:
			out = append(out, p)
		}
	}
	return out
}

func parsePlace(s *section) sessions.Place {
	p := sessions.Place{SSID: s.text("ssid", ""), CalledStationID: s.text("called_station_id", "")}
	if len(p.SSID) > 32 {
		s.wrong("ssid", "is longer than 32 octets", "write the network's name as the phones show it")
	}
	if len(p.CalledStationID) > maxAttribute {
		s.wrong("called_station_id", "is longer than 253 octets", `write it as in "02-00-5E-10-00-01:Guests"`)
	}
	if l := s.table("location"); l != nil {
		p.LocationID, _ = l.number("id", 1, math.MaxInt64)
		p.LocationName = l.text("name", "")
		l.finish()
	}
	return p
}

func parseAccessPoints(zone *section) []sessions.AccessPoint {
	sections := zone.tables("access_point", "port")
	points := make([]sessions.AccessPoint, len(sections))
	for i, s := range sections {
		a := sessions.AccessPoint{
			Port: s.required("port", `name the bridge port that the access point is on, as in "lan3" or "wlan0"`),
			Name: s.text("name", ""),
			SSID: s.text("ssid", ""),
		}
		a.ID, _ = s.number("id", 1, math.MaxInt64)
		if v := s.text("mac", ""); v != "" {
			mac, err := sessions.ParseMAC(v)
			if err != nil {
				s.wrong("mac", strconv.Quote(v)+" is not a MAC address", "write twelve hexadecimal digits, as in 02:00:5e:10:00:01")
			}
			a.MAC = mac.CallingStationID() // RFC 3580 §3.20 spells Called-Station-Id like this
		}
		if a.Port != "" && slices.ContainsFunc(points[:i], func(b sessions.AccessPoint) bool { return b.Port == a.Port }) {
			s.wrong("port", "two access points have port "+strconv.Quote(a.Port), "give each port once")
		}
		points[i] = a
		s.finish()
	}
	return points
}
