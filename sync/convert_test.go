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

func TestLimitsOf(t *testing.T) {
	attr := func(name, op, value string) edge.Attribute {
		return edge.Attribute{Attribute: name, Op: op, Value: value}
	}
	dur := func(d time.Duration) *time.Duration { return &d }
	num := func(n int) *int { return &n }
	rate := func(n sessions.BitRate) *sessions.BitRate { return &n }
	amount := func(n sessions.Bytes) *sessions.Bytes { return &n }
	for _, tt := range []struct {
		name         string
		reply, check []edge.Attribute
		want         sessions.Limits
		errs         []string
	}{
		{name: "all", reply: []edge.Attribute{attr("Session-Timeout", ":=", "3600"), attr("idle-timeout", "=", " 600 "),
			attr("Acct-Interim-Interval", "+=", "0"), attr("WISPr-Bandwidth-Max-Up", ":=", "4294967295"),
			attr("wispr-bandwidth-max-down", "=", "2000000"), attr("WISPr-Redirection-URL", ":=", "http://example.com/")},
			check: []edge.Attribute{attr("Simultaneous-Use", ":=", "2"), attr("Auth-Type", ":=", "Local")},
			want: sessions.Limits{SessionTimeout: dur(time.Hour), IdleTimeout: dur(10 * time.Minute), InterimInterval: dur(0),
				SimultaneousUse: num(2), BandwidthUp: rate(4294967295), BandwidthDown: rate(2e6)}},
		{name: "data caps", reply: []edge.Attribute{attr("ChilliSpot-Max-Input-Octets", ":=", "5"), attr("CoovaChilli-Max-Input-Gigawords", ":=", "2"),
			attr("chillispot-max-output-octets", "=", "5000000000"), attr("Mikrotik-Xmit-Limit", "=", "7"), attr("Mikrotik-Total-Limit-Gigawords", "=", "1"),
			attr("Gatehouse-Bandwidth-Slow-Up", ":=", "128000"), attr("Gatehouse-Bandwidth-Slow-Down", ":=", "0")},
			check: []edge.Attribute{attr("Max-Daily-Octets", ":=", "1000000000"), attr("max-weekly-input-octets", "==", "6"), attr("Max-Monthly-Output-Octets", "=", "0"),
				attr("Max-Daily-Session", ":=", "3600")},
			want: sessions.Limits{SlowUp: rate(128e3), SlowDown: rate(0), Caps: sessions.CapsOf[sessions.VolumeLimit]{
				Session: sessions.VolumeLimit{Up: amount(2<<32 + 5), Down: amount(5e9), Total: amount(1 << 32)},
				Day:     sessions.VolumeLimit{Total: amount(1e9)}, Week: sessions.VolumeLimit{Up: amount(6)}, Month: sessions.VolumeLimit{Down: amount(0)}}}},
		{name: "= keeps the first, := replaces",
			reply: []edge.Attribute{attr("Session-Timeout", "=", "100"), attr("Session-Timeout", "=", "200"),
				attr("Idle-Timeout", "=", "100"), attr("Idle-Timeout", ":=", "300")},
			want: sessions.Limits{SessionTimeout: dur(100 * time.Second), IdleTimeout: dur(300 * time.Second)}},
		{name: "== is a limit on Simultaneous-Use only", reply: []edge.Attribute{attr("Session-Timeout", "==", "100")},
			check: []edge.Attribute{attr("Simultaneous-Use", "==", "1")}, want: sessions.Limits{SimultaneousUse: num(1)},
			errs: []string{`Session-Timeout: operator "==" gives it no value here`}},
		{name: "lists are not mixed up", reply: []edge.Attribute{attr("Simultaneous-Use", ":=", "1")},
			check: []edge.Attribute{attr("Session-Timeout", ":=", "1")}},
		{name: "malformed", reply: []edge.Attribute{attr("Session-Timeout", ":=", "an hour"), attr("Idle-Timeout", "", "5"),
			attr("Acct-Interim-Interval", ":=", "4294967296"), attr("Mikrotik-Recv-Limit", ":=", "1000000000000001")}, check: []edge.Attribute{attr("Simultaneous-Use", ":=", "-1")},
			errs: []string{`Session-Timeout: "an hour" is not a whole number from 0 to 4294967295`,
				`Idle-Timeout: operator "" gives it no value here`,
				`Acct-Interim-Interval: "4294967296" is not a whole number from 0 to 4294967295`,
				`Mikrotik-Recv-Limit: "1000000000000001" is not a whole number from 0 to 1000000000000000`,
				`Simultaneous-Use: "-1" is not a whole number from 0 to 4294967295`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, errs := LimitsOf(tt.reply, tt.check)
			var texts []string
			for _, err := range errs {
				texts = append(texts, err.Error())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("limits (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(tt.errs, texts); diff != "" {
				t.Errorf("errors (-want +got)\n%s", diff)
			}
		})
	}
}
