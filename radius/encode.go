package radius

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2866"
	"layeh.com/radius/rfc2869"
	"layeh.com/radius/rfc3162"
	"layeh.com/radius/rfc6911"
)

// Encode makes the Accounting-Request that says a, for a NAS to send. The error says that a text is longer than 253 octets,
// or that there is too much for one packet.
func (a *Accounting) Encode(identifier byte, secret Secret) ([]byte, error) {
	p := &radius.Packet{Code: radius.CodeAccountingRequest, Identifier: identifier, Secret: []byte(secret)}
	e := encoder{p: p}
	e.number(rfc2866.AcctStatusType_Type, code(rfc2866.AcctStatusType_Strings, a.StatusType))
	e.text(rfc2866.AcctSessionID_Type, a.SessionID)
	e.text(rfc2866.AcctMultiSessionID_Type, a.MultiSessionID)
	e.text(rfc2865.UserName_Type, a.Username)
	e.address(rfc2865.NASIPAddress_Type, rfc3162.NASIPv6Address_Type, a.NASIPAddress)
	e.text(rfc2865.NASIdentifier_Type, a.NASIdentifier)
	e.number(rfc2865.NASPort_Type, a.NASPort)
	e.text(rfc2869.NASPortID_Type, a.NASPortID)
	e.number(rfc2865.NASPortType_Type, code(rfc2865.NASPortType_Strings, a.NASPortType))
	e.number(rfc2865.ServiceType_Type, code(rfc2865.ServiceType_Strings, a.ServiceType))
	e.number(rfc2865.FramedProtocol_Type, code(rfc2865.FramedProtocol_Strings, a.FramedProtocol))
	e.text(rfc2869.ConnectInfo_Type, a.ConnectInfo)
	e.number(rfc2866.AcctAuthentic_Type, code(rfc2866.AcctAuthentic_Strings, a.Authentic))
	e.number(rfc2866.AcctTerminateCause_Type, code(rfc2866.AcctTerminateCause_Strings, a.TerminateCause))
	e.text(rfc2865.CalledStationID_Type, a.CalledStation)
	e.text(rfc2865.CallingStationID_Type, a.CallingStation)
	e.address(rfc2865.FramedIPAddress_Type, rfc6911.FramedIPv6Address_Type, a.FramedIPAddress)
	for _, c := range a.Class {
		e.text(rfc2865.Class_Type, c)
	}
	e.times(a)
	e.octets(rfc2866.AcctInputOctets_Type, rfc2869.AcctInputGigawords_Type, a.InputOctets)
	e.octets(rfc2866.AcctOutputOctets_Type, rfc2869.AcctOutputGigawords_Type, a.OutputOctets)
	e.number(rfc2866.AcctInputPackets_Type, new(uint32(a.InputPackets)))
	e.number(rfc2866.AcctOutputPackets_Type, new(uint32(a.OutputPackets)))
	e.vendor(arubaEssidName, a.SSID)
	e.vendor(wisprLocationID, a.LocationID)
	e.vendor(wisprLocationName, a.LocationName)
	if e.err != nil {
		return nil, fmt.Errorf("encoding %s: %w", a.StatusType, e.err)
	}
	packet, err := p.Encode()
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", a.StatusType, err)
	}
	return packet, nil
}

// code is the number of a name, nil when there is no name.
func code[T ~uint32](names map[T]string, name string) *uint32 {
	for v, n := range names {
		if n == name {
			return new(uint32(v))
		}
	}
	if v, err := strconv.ParseUint(name, 10, 32); err == nil {
		return new(uint32(v))
	}
	return nil
}

var errTooLong = errors.New("an attribute is too long")

// encoder adds attributes to a packet; what is absent adds nothing.
type encoder struct {
	p   *radius.Packet
	err error
}

func (e *encoder) text(t radius.Type, s string) {
	if len(s) > 253 {
		e.err = errTooLong
	} else if s != "" {
		e.p.Add(t, radius.Attribute(s))
	}
}

func (e *encoder) number(t radius.Type, n *uint32) {
	if n != nil {
		e.p.Add(t, radius.NewInteger(*n))
	}
}

func (e *encoder) address(v4, v6 radius.Type, a netip.Addr) {
	switch {
	case a.Is4():
		e.p.Add(v4, a.AsSlice())
	case a.Is6():
		e.p.Add(v6, a.AsSlice())
	}
}

func (e *encoder) octets(low, high radius.Type, n uint64) {
	e.number(low, new(uint32(n)))
	e.number(high, new(uint32(n>>32)))
}

func (e *encoder) times(a *Accounting) {
	if !a.EventTime.IsZero() {
		e.number(rfc2869.EventTimestamp_Type, new(uint32(a.EventTime.Unix())))
	}
	if a.Delay > 0 {
		e.number(rfc2866.AcctDelayTime_Type, new(uint32(a.Delay.Seconds())))
	}
	if a.SessionTime != nil {
		e.number(rfc2866.AcctSessionTime_Type, new(uint32(a.SessionTime.Seconds())))
	}
}

func (e *encoder) vendor(k vendorKind, s string) {
	if s == "" {
		return
	}
	if len(s) > 247 {
		e.err = errTooLong
		return
	}
	v, err := radius.NewVendorSpecific(k.vendor, append([]byte{k.kind, byte(2 + len(s))}, s...))
	if err != nil {
		e.err = err
		return
	}
	e.p.Add(rfc2865.VendorSpecific_Type, v)
}
