package radius

import (
	"crypto/md5"
	"encoding/hex"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2866"
	"layeh.com/radius/rfc2869"
	"layeh.com/radius/rfc3162"
	"layeh.com/radius/rfc6911"
)

// The kinds of record (Acct-Status-Type, RFC 2866 §5.1), as FreeRADIUS's dictionary spells them.
const (
	Start         = "Start"
	InterimUpdate = "Interim-Update"
	Stop          = "Stop"
	AccountingOn  = "Accounting-On"
	AccountingOff = "Accounting-Off"
)

// Accounting is what an Accounting-Request says. What it does not say is empty, or nil where zero says something else.
// Texts are as they were sent, whatever their octets.
type Accounting struct {
	StatusType      string // one of the constants, or another one's name
	SessionID       string
	MultiSessionID  string
	Username        string
	NASIPAddress    netip.Addr // of NAS-IPv6-Address, else of NAS-IP-Address
	NASIdentifier   string
	NASPort         *uint32
	NASPortID       string
	NASPortType     string // names, as all of the following that FreeRADIUS has names for
	ServiceType     string
	FramedProtocol  string
	Authentic       string
	TerminateCause  string
	CalledStation   string
	CallingStation  string
	FramedIPAddress netip.Addr // of Framed-IP-Address, else of Framed-IPv6-Address
	ConnectInfo     string
	Class           []string
	EventTime       time.Time     // of the event, by the NAS's clock
	Delay           time.Duration // for which the NAS had been trying
	SessionTime     *time.Duration
	InputOctets     uint64 // from the station
	OutputOctets    uint64 // to the station
	InputPackets    uint64
	OutputPackets   uint64
	SSID            string // of a vendor's attribute; most put it behind Called-Station-Id
	LocationID      string // WISPr-Location-ID
	LocationName    string // WISPr-Location-Name
}

// vendorKind is a vendor's attribute.
type vendorKind struct {
	vendor uint32
	kind   byte
}

// The vendors' attributes that are read (FreeRADIUS's dictionaries).
var (
	wisprLocationID   = vendorKind{14122, 1}
	wisprLocationName = vendorKind{14122, 2}
	arubaEssidName    = vendorKind{14823, 5}
	ruckusSSID        = vendorKind{25053, 3}
	ciscoAVPair       = vendorKind{9, 1}
)

// Decode reads an Accounting-Request whose sender has been checked. An attribute of the wrong length counts as absent.
func Decode(packet []byte) (Accounting, error) {
	p, _, err := parse(packet)
	if err != nil {
		return Accounting{}, err
	}
	return decode(p)
}

func decode(p *radius.Packet) (Accounting, error) {
	status, err := rfc2866.AcctStatusType_Lookup(p)
	if p.Code != radius.CodeAccountingRequest || err != nil {
		return Accounting{}, errMalformed
	}
	a := Accounting{
		StatusType:     named(rfc2866.AcctStatusType_Strings, status),
		SessionID:      rfc2866.AcctSessionID_GetString(p),
		MultiSessionID: rfc2866.AcctMultiSessionID_GetString(p),
		Username:       rfc2865.UserName_GetString(p),
		NASIPAddress:   address(p, rfc3162.NASIPv6Address_Type, rfc2865.NASIPAddress_Type),
		NASIdentifier:  rfc2865.NASIdentifier_GetString(p),
		NASPortID:      rfc2869.NASPortID_GetString(p),
		ConnectInfo:    rfc2869.ConnectInfo_GetString(p),
		CalledStation:  rfc2865.CalledStationID_GetString(p), CallingStation: rfc2865.CallingStationID_GetString(p),
		FramedIPAddress: address(p, rfc2865.FramedIPAddress_Type, rfc6911.FramedIPv6Address_Type),
		Delay:           time.Duration(rfc2866.AcctDelayTime_Get(p)) * time.Second,
		InputOctets:     wide(uint32(rfc2869.AcctInputGigawords_Get(p)), uint32(rfc2866.AcctInputOctets_Get(p))),
		OutputOctets:    wide(uint32(rfc2869.AcctOutputGigawords_Get(p)), uint32(rfc2866.AcctOutputOctets_Get(p))),
		InputPackets:    uint64(rfc2866.AcctInputPackets_Get(p)),
		OutputPackets:   uint64(rfc2866.AcctOutputPackets_Get(p)),
	}
	a.names(p)
	if n, err := rfc2865.NASPort_Lookup(p); err == nil {
		a.NASPort = new(uint32(n))
	}
	if n, err := rfc2866.AcctSessionTime_Lookup(p); err == nil {
		a.SessionTime = new(time.Duration(n) * time.Second)
	}
	if t, err := rfc2869.EventTimestamp_Lookup(p); err == nil && t.Unix() != 0 {
		a.EventTime = t.UTC()
	}
	for _, attr := range p.Attributes {
		if attr.Type == rfc2865.Class_Type {
			a.Class = append(a.Class, string(attr.Attribute))
		}
	}
	eachVendorAttribute(p, a.vendor)
	return a, nil
}

// names are the numbers that FreeRADIUS stores by name.
func (a *Accounting) names(p *radius.Packet) {
	if v, err := rfc2865.NASPortType_Lookup(p); err == nil {
		a.NASPortType = named(rfc2865.NASPortType_Strings, v)
	}
	if v, err := rfc2865.ServiceType_Lookup(p); err == nil {
		a.ServiceType = named(rfc2865.ServiceType_Strings, v)
	}
	if v, err := rfc2865.FramedProtocol_Lookup(p); err == nil {
		a.FramedProtocol = named(rfc2865.FramedProtocol_Strings, v)
	}
	if v, err := rfc2866.AcctAuthentic_Lookup(p); err == nil {
		a.Authentic = named(rfc2866.AcctAuthentic_Strings, v)
	}
	if v, err := rfc2866.AcctTerminateCause_Lookup(p); err == nil {
		a.TerminateCause = named(rfc2866.AcctTerminateCause_Strings, v)
	}
}

// named is the name of a number, or its digits.
func named[T ~uint32](names map[T]string, v T) string {
	if name, ok := names[v]; ok {
		return name
	}
	return strconv.FormatUint(uint64(v), 10)
}

func wide(gigawords, octets uint32) uint64 { return uint64(gigawords)<<32 | uint64(octets) }

// address is the first of the types that is there and is an address.
func address(p *radius.Packet, types ...radius.Type) netip.Addr {
	for _, t := range types {
		if a, ok := netip.AddrFromSlice(p.Get(t)); ok {
			return a
		}
	}
	return netip.Addr{}
}

// vendor reads one attribute of a vendor; of several of a kind the first counts.
func (a *Accounting) vendor(kind vendorKind, value string) {
	var to *string
	switch kind {
	case wisprLocationID:
		to = &a.LocationID
	case wisprLocationName:
		to = &a.LocationName
	case arubaEssidName, ruckusSSID:
		to = &a.SSID
	case ciscoAVPair:
		var ok bool
		if value, ok = strings.CutPrefix(value, "ssid="); !ok {
			return
		}
		to = &a.SSID
	default:
		return
	}
	if *to == "" {
		*to = value
	}
}

// eachVendorAttribute goes through those in the form that RFC 2865 §5.26 suggests. What is not in it is passed over.
func eachVendorAttribute(p *radius.Packet, f func(kind vendorKind, value string)) {
	for _, a := range p.Attributes {
		if a.Type != rfc2865.VendorSpecific_Type {
			continue
		}
		vendor, rest, err := radius.VendorSpecific(a.Attribute)
		for err == nil && len(rest) >= 2 && int(rest[1]) >= 2 && int(rest[1]) <= len(rest) {
			f(vendorKind{vendor, rest[0]}, string(rest[2:rest[1]]))
			rest = rest[rest[1]:]
		}
	}
}

var insertedClass = regexp.MustCompile(`^ai:([0-9a-f]{32})$`)

// UniqueID is Acct-Unique-Session-Id as FreeRADIUS 3 makes it, so that its tables and ours have the same keys.
func (a *Accounting) UniqueID() string {
	var text string
	if m := insertedClass.FindStringSubmatch(first(a.Class)); m != nil {
		text = m[1] + "," + a.SessionID
	} else {
		text = strings.Join([]string{a.Username, a.SessionID, addressText(a.NASIPAddress), a.NASIdentifier, a.NASPortID, a.portText()}, ",")
	}
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

func (a *Accounting) portText() string {
	if a.NASPort == nil {
		return ""
	}
	return strconv.FormatUint(uint64(*a.NASPort), 10)
}

// PortText is NAS-Port-Id, or NAS-Port in digits where there is none.
func (a *Accounting) PortText() string {
	if a.NASPortID != "" {
		return a.NASPortID
	}
	return a.portText()
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

func addressText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// SplitStation takes a Called-Station-Id apart: the access point's MAC address in the form of RFC 3580 §3.20, and the SSID.
// Both are empty when the text does not begin with a MAC address.
func SplitStation(s string) (mac, ssid string) {
	var digits []byte
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9', c >= 'A' && c <= 'F':
			digits = append(digits, c)
		case c >= 'a' && c <= 'f':
			digits = append(digits, c-'a'+'A')
		case c == '-' || c == ':' || c == '.':
		default:
			return "", ""
		}
		if len(digits) == 12 {
			mac, s = dashed(digits), s[i+1:]
			break
		}
	}
	switch {
	case mac == "" || s != "" && s[0] != ':':
		return "", ""
	case s == "":
		return mac, ""
	}
	return mac, s[1:]
}

func dashed(digits []byte) string {
	parts := make([]string, 0, 6)
	for i := 0; i < len(digits); i += 2 {
		parts = append(parts, string(digits[i:i+2]))
	}
	return strings.Join(parts, "-")
}
