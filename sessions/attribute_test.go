package sessions

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLimitsOf(t *testing.T) {
	attr := func(name, op, value string) Attribute {
		return Attribute{Name: name, Op: op, Value: value}
	}
	dur := func(d time.Duration) *time.Duration { return &d }
	num := func(n int) *int { return &n }
	rate := func(n BitRate) *BitRate { return &n }
	amount := func(n Bytes) *Bytes { return &n }
	for _, tt := range []struct {
		name         string
		reply, check []Attribute
		want         Limits
		errs         []string
	}{
		{name: "all", reply: []Attribute{attr("Session-Timeout", ":=", "3600"), attr("idle-timeout", "=", " 600 "),
			attr("Acct-Interim-Interval", "+=", "0"), attr("WISPr-Bandwidth-Max-Up", ":=", "4294967295"),
			attr("wispr-bandwidth-max-down", "=", "2000000"), attr("WISPr-Redirection-URL", ":=", "http://example.com/")},
			check: []Attribute{attr("Simultaneous-Use", ":=", "2"), attr("Auth-Type", ":=", "Local")},
			want: Limits{SessionTimeout: dur(time.Hour), IdleTimeout: dur(10 * time.Minute), InterimInterval: dur(0),
				SimultaneousUse: num(2), BandwidthUp: rate(4294967295), BandwidthDown: rate(2e6)}},
		{name: "data caps", reply: []Attribute{attr("ChilliSpot-Max-Input-Octets", ":=", "5"), attr("CoovaChilli-Max-Input-Gigawords", ":=", "2"),
			attr("chillispot-max-output-octets", "=", "5000000000"), attr("Mikrotik-Xmit-Limit", "=", "7"), attr("Mikrotik-Total-Limit-Gigawords", "=", "1"),
			attr("Gatehouse-Bandwidth-Slow-Up", ":=", "128000"), attr("Gatehouse-Bandwidth-Slow-Down", ":=", "0")},
			check: []Attribute{attr("Max-Daily-Octets", ":=", "1000000000"), attr("max-weekly-input-octets", "==", "6"), attr("Max-Monthly-Output-Octets", "=", "0"),
				attr("Max-Daily-Session", ":=", "3600"), attr("max-all-session", "==", "7200"), attr("Max-All-Octets", ":=", "8"), attr("Login-Time", ":=", "Wk0800-1700")},
			want: Limits{LoginTime: new("Wk0800-1700"), Online: CapsOf[*time.Duration]{Day: dur(time.Hour), Life: dur(2 * time.Hour)}, SlowUp: rate(128e3), SlowDown: rate(0), Caps: CapsOf[VolumeLimit]{
				Session: VolumeLimit{Up: amount(2<<32 + 5), Down: amount(5e9), Total: amount(1 << 32)},
				Day:     VolumeLimit{Total: amount(1e9)}, Week: VolumeLimit{Up: amount(6)}, Month: VolumeLimit{Down: amount(0)}, Life: VolumeLimit{Total: amount(8)}}}},
		{name: "the first counts",
			reply: []Attribute{attr("Session-Timeout", "=", "100"), attr("Session-Timeout", "=", "200"),
				attr("Idle-Timeout", "=", "100"), attr("Idle-Timeout", ":=", "300")},
			want: Limits{SessionTimeout: dur(100 * time.Second), IdleTimeout: dur(100 * time.Second)}},
		{name: "== is a limit on Simultaneous-Use, and a filter in a reply", reply: []Attribute{attr("Session-Timeout", "==", "100")},
			check: []Attribute{attr("Simultaneous-Use", "==", "1")}, want: Limits{SimultaneousUse: num(1)}},
		{name: "lists are not mixed up", reply: []Attribute{attr("Simultaneous-Use", ":=", "1")},
			check: []Attribute{attr("Session-Timeout", ":=", "1")}},
		{name: "malformed", reply: []Attribute{attr("Session-Timeout", ":=", "an hour"), attr("Idle-Timeout", "", "5"),
			attr("Acct-Interim-Interval", ":=", "4294967296"), attr("Mikrotik-Recv-Limit", ":=", "1000000000000001")}, check: []Attribute{attr("Simultaneous-Use", ":=", "-1"),
			attr("Login-Time", ":=", "Wk0800-1700,9 to 5"), attr("Max-Weekly-Session", ":=", "1h")},
			want: Limits{LoginTime: new("Wk0800-1700,9 to 5")},
			errs: []string{`Idle-Timeout: operator "" does nothing in a reply`,
				`Session-Timeout: "an hour" is not a whole number from 0 to 4294967295`,
				`Acct-Interim-Interval: "4294967296" is not a whole number from 0 to 4294967295`,
				`Mikrotik-Recv-Limit: "1000000000000001" is not a whole number from 0 to 1000000000000000`,
				`Simultaneous-Use: "-1" is not a whole number from 0 to 4294967295`,
				`Login-Time: "9 to 5" is not days and times, as in Wk0800-1700,Sa`,
				`Max-Weekly-Session: "1h" is not a whole number from 0 to 4294967295`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := Profile{Check: tt.check, Reply: tt.reply}
			got, _ := Evaluate([]Profile{p}, nil).Limits()
			errs := p.Faults()
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
