package central

import (
	"encoding/hex"
	"strings"
	"time"
	"unicode/utf8"

	"gatehouse/api/edge"
	"gatehouse/central/store"
	"gatehouse/radius"
)

const clockAhead = 10 * time.Minute // that a NAS's clock may be

// radiusRecord is a request in the words of the store.
func radiusRecord(r radius.Request) store.RADIUSRecord {
	a := &r.Accounting
	if !a.NASIPAddress.IsValid() {
		a.NASIPAddress = r.From.Addr() // as FreeRADIUS does, before it makes the unique id
	}
	record := store.RADIUSRecord{Client: r.Client.ID, Organization: r.Client.Organization, Session: accounting(r)}
	record.Boot = a.StatusType == radius.AccountingOn || a.StatusType == radius.AccountingOff
	record.At, record.Stamped = eventTime(r)
	record.Timed = a.SessionTime != nil && record.At.Add(-*a.SessionTime).After(store.FirstTime()) // some say -1
	if !record.Timed {
		record.Session.AcctSessionTime = 0
	}
	return record
}

// eventTime is when it happened: by the NAS's clock, unless that is plainly wrong or known to be worth nothing, else by ours.
func eventTime(r radius.Request) (at time.Time, stamped bool) {
	t := r.Accounting.EventTime
	if !r.Client.OwnClock && t.After(store.FirstTime()) && t.Before(r.Received.Add(clockAhead)) {
		return t, true
	}
	if at = r.Received.Add(-r.Accounting.Delay); at.Before(store.FirstTime()) {
		return r.Received, false
	}
	return at, false
}

func accounting(r radius.Request) edge.Accounting {
	a := &r.Accounting
	mac, ssid := radius.SplitStation(a.CalledStation)
	if a.SSID != "" {
		ssid = a.SSID
	}
	e := edge.Accounting{
		AcctStatusType: a.StatusType, AcctUniqueID: uniqueID(r), AcctSessionID: readable(a.SessionID), AcctMultiSessionID: readable(a.MultiSessionID),
		Username: readable(a.Username), NASIPAddress: a.NASIPAddress.String(), NASIdentifier: readable(a.NASIdentifier), NASPortID: readable(a.PortText()),
		NASPortType: a.NASPortType, AcctAuthentic: a.Authentic, ServiceType: a.ServiceType, FramedProtocol: a.FramedProtocol, AcctTerminateCause: a.TerminateCause,
		AcctInputOctets: a.InputOctets, AcctOutputOctets: a.OutputOctets,
		AcctInputPackets: a.InputPackets, AcctOutputPackets: a.OutputPackets,
		CalledStationID: readable(a.CalledStation), CallingStationID: station(a.CallingStation), AccessPointMAC: mac, SSID: readable(ssid),
		LocationName: readable(a.LocationName), Class: className(a.Class),
	}
	if e.NASIdentifier == "" {
		e.NASIdentifier = r.Client.NASIdentifier
	}
	if e.ConnectInfoStart = readable(a.ConnectInfo); e.AcctStatusType == "Stop" {
		e.ConnectInfoStart, e.ConnectInfoStop = "", e.ConnectInfoStart
	}
	if e.LocationName == "" {
		e.LocationName = readable(a.LocationID)
	}
	if a.SessionTime != nil {
		e.AcctSessionTime = int64(*a.SessionTime / time.Second)
	}
	bound(&e)
	if a.FramedIPAddress.IsValid() {
		e.FramedIPAddress = a.FramedIPAddress.String()
	}
	return e
}

func uniqueID(r radius.Request) string {
	a := r.Accounting
	if r.Client.SessionIDOnly {
		a.Username, a.NASPortID, a.NASPort, a.Class = "", "", nil, nil
	}
	return a.UniqueID()
}

// station is a Calling-Station-Id: a MAC address in the form of RFC 3580, anything else as it is.
func station(s string) string {
	if mac, rest := radius.SplitStation(s); mac != "" && rest == "" {
		return mac
	}
	return readable(s)
}

// className is the first Class as a text, or in hexadecimal digits as FreeRADIUS writes what is none.
func className(list []string) string {
	if len(list) == 0 {
		return ""
	}
	c := list[0]
	if !utf8.ValidString(c) || strings.IndexFunc(c, func(r rune) bool { return r < ' ' }) >= 0 {
		return "0x" + hex.EncodeToString([]byte(c))
	}
	return c
}

// readable makes a text of any octets.
func readable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}
