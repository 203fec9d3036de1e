package gwsync

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/api/edge"
	"gatehouse/sessions"
)

func TestAcctUniqueID(t *testing.T) {
	for _, tt := range []struct{ user, session, ip, nas, portID, port, want string }{
		{"bob", "S1", "10.0.0.1", "gw1", "br-lan", "7", "45ce8c079965150bba0298c0b0fd603d"}, // both by FreeRADIUS 3.2.1
		{"al", "S2", "10.0.0.1", "gw1", "", "", "49a26151c09cb39a7bafbd97ba2fde1b"},
	} {
		if got := AcctUniqueID(tt.user, tt.session, tt.ip, tt.nas, tt.portID, tt.port); got != tt.want {
			t.Errorf("AcctUniqueID of %s is %s, want %s", tt.user, got, tt.want)
		}
	}
}

func TestAccountingConversion(t *testing.T) {
	start := time.Date(2026, 3, 1, 10, 0, 0, 123456789, time.FixedZone("", 3600))
	stop := start.Add(5003 * time.Millisecond)
	s := session("S1", sessions.Stamp{BootID: "b", Mono: time.Minute, Wall: start})
	s.Used, s.Usage = 5003*time.Millisecond, sessions.Usage{InputOctets: 1, OutputOctets: 5 << 32, InputPackets: 3, OutputPackets: 4}
	s.StoppedAt, s.TerminateCause = &sessions.Stamp{BootID: "b", Wall: stop}, sessions.SessionTimeout
	rec := sessions.AccountingRecord{Kind: sessions.Stop, Session: s, At: *s.StoppedAt}

	d := &dates{}
	got, err := d.accounting(t.Context(), &rec)
	if err != nil {
		t.Fatal(err)
	}
	stopWire := time.Date(2026, 3, 1, 9, 0, 5, 126456000, time.UTC)
	want := &edge.Accounting{
		AcctStatusType: "Stop", AcctUniqueID: AcctUniqueID("bob", "S1", "10.0.0.1", "gw1", "br-lan", ""), AcctSessionID: "S1",
		AcctMultiSessionID: "S1", Username: "bob", UserID: 7, NASIPAddress: "10.0.0.1", NASIdentifier: "gw1", NASPortID: "br-lan",
		NASPortType: "Wireless-802.11", AcctStartTime: time.Date(2026, 3, 1, 9, 0, 0, 123456000, time.UTC), AcctUpdateTime: stopWire,
		AcctStopTime: &stopWire, AcctSessionTime: 5, AcctAuthentic: "Local", AcctInputOctets: 1, AcctOutputOctets: 5 << 32,
		AcctInputPackets: 3, AcctOutputPackets: 4, CalledStationID: "02-00-5E-10-00-01:Guest", CallingStationID: "02-00-5E-10-00-FE",
		AcctTerminateCause: "Session-Timeout", FramedIPAddress: "192.0.2.77", Class: "gold", LocationID: 3, LocationName: "Bar",
		AccessPointID: 4, AccessPointName: "ap", AccessPointMAC: "02-00-5E-10-00-01", SSID: "Guest",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}

	rec.Kind, rec.Session.StoppedAt = sessions.InterimUpdate, nil
	rec.Session.Used = 299_500 * time.Millisecond
	got, err = d.accounting(t.Context(), &rec)
	if err != nil || got.AcctInterval != 300 || got.AcctSessionTime != 300 || got.AcctStopTime != nil {
		t.Errorf("interim: interval %d, session time %d, stop %v, %v", got.AcctInterval, got.AcctSessionTime, got.AcctStopTime, err)
	}
}

func TestTransactionConversion(t *testing.T) {
	at := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	s := session("S1", sessions.Stamp{})
	got, err := (&dates{}).transaction(t.Context(), &sessions.Transaction{
		ID: "4fb7", Type: sessions.TxLogin, Status: "h200", Message: "ok", At: sessions.Stamp{Wall: at}, Station: s.Station,
		Addr: "192.0.2.77", Username: "bob", UserID: 7, AcctSessionID: "S1", Action: "li", PageURL: "http://p/", UserAgent: "ua",
		Place: s.Place, NASID: "gw1",
	})
	want := &edge.Transaction{ID: "4fb7", DateTime: at, Type: "ui", Status: "h200", Message: "ok", Username: "bob", UserID: 7,
		SessionID: "S1", Action: "li", PageURL: "http://p/", Site: "gw1", UserAgent: "ua", RemoteIP: "192.0.2.77",
		MAC: "02:00:5e:10:00:fe", LocationID: 3, LocationName: "Bar", AccessPointID: 4, AccessPointName: "ap", SSID: "Guest"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}
