package sessions

import (
	"encoding/json"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/internal/clock"
)

// TestAsFreeRADIUS holds Evaluate to what FreeRADIUS 3.2.1 answered to the same logins: testdata/freeradius.py asked it.
func TestAsFreeRADIUS(t *testing.T) {
	text, err := os.ReadFile("testdata/freeradius.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name   string
		Groups []struct{ Check, Reply [][3]string }
		Asked  map[string]string
		Answer []string
	}
	if err := json.Unmarshal(text, &cases); err != nil || len(cases) < 100 {
		t.Fatal(len(cases), err)
	}
	attributes := func(rows [][3]string) (list []Attribute) {
		for _, r := range rows {
			list = append(list, Attribute{Name: r[0], Op: r[1], Value: r[2]})
		}
		return list
	}
	for _, c := range cases {
		asked := Asked{"user-name": "u", "user-password": hiddenPassword}
		for name, v := range c.Asked {
			asked[strings.ToLower(name)] = v
		}
		var profiles []Profile
		for _, g := range c.Groups {
			profiles = append(profiles, Profile{Check: attributes(g.Check), Reply: attributes(g.Reply)})
		}
		v := Evaluate(profiles, asked)
		got := []string{}
		for _, a := range v.Reply {
			got = append(got, a.Name+" = "+a.Value)
		}
		if v.Rejected {
			got = []string{"rejected"}
		}
		if diff := cmp.Diff(c.Answer, got); diff != "" {
			t.Errorf("%s (-FreeRADIUS +here):\n%s", c.Name, diff)
		}
	}
}

// TestOwnMeanings are where GATE means something else, or FreeRADIUS nothing (decision 0022).
func TestOwnMeanings(t *testing.T) {
	reply := []Attribute{{"Session-Timeout", "=", "%{Called-Station-SSID}"}}
	for name, tt := range map[string]struct {
		check []Attribute
		want  bool
	}{
		"=* with a value is a regular expression":   {[]Attribute{{"NAS-Identifier", "=*", "^lob"}}, true},
		"=* that does not match":                    {[]Attribute{{"NAS-Identifier", "=*", "^bar"}}, false},
		"=* of something absent":                    {[]Attribute{{"NAS-Port", "=*", ".*"}}, false},
		"the password is itself":                    {[]Attribute{{"User-Password", "==", "%{User-Password}"}}, true},
		"the password is never compared":            {[]Attribute{{"User-Password", "==", "secret"}}, false},
		"a server's attribute is set, not compared": {[]Attribute{{"Simultaneous-Use", "==", "1"}}, true},
		"names of attributes in either case":        {[]Attribute{{"nas-identifier", "==", "lobby"}}, true},
		"a broken expression does not hold":         {[]Attribute{{"NAS-Identifier", "=~", "("}}, false},
		"nor does it negated":                       {[]Attribute{{"NAS-Identifier", "!~", "("}}, false},
		"a number that is none":                     {[]Attribute{{"NAS-Port-Type", "==", "many"}}, false},
	} {
		asked := Asked{"user-password": hiddenPassword, "nas-identifier": "lobby", "nas-port-type": "Wireless-802.11", "called-station-ssid": "60"}
		v := Evaluate([]Profile{{ShortName: "p", Check: tt.check, Reply: reply}}, asked)
		if got := len(v.Matched) == 1; got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
		if l, _ := v.Limits(); tt.want && (l.SessionTimeout == nil || l.SessionTimeout.Seconds() != 60) {
			t.Errorf("%s: what was asked is not in the reply: %+v", name, v.Reply)
		}
	}
}

// TestTimesAsFreeRADIUS holds Login-Time and the counters of time to what FreeRADIUS 3.2.1 answered: testdata/freeradius_times.py
// asked it. It counts the minute that has begun as whole, so that here the same is asked at its beginning.
func TestTimesAsFreeRADIUS(t *testing.T) {
	text, err := os.ReadFile("testdata/freeradius_times.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		LoginTime   string `json:"login_time"`
		Counter     string
		Limit, Used int64
		Now         string
		Answer      any
	}
	if err := json.Unmarshal(text, &cases); err != nil || len(cases) < 500 {
		t.Fatal(len(cases), err)
	}
	for _, c := range cases {
		now, err := time.Parse(time.DateTime, c.Now)
		if err != nil {
			t.Fatal(err)
		}
		left, ok := time.Duration(0), true
		if c.Counter == "" {
			var until time.Time
			if ok, until = loginHours(c.LoginTime, now); !until.IsZero() {
				left = until.Sub(now)
			}
		} else {
			left, ok = allowed(t, now, c.Counter, c.Limit, c.Used)
		}
		got := any("rejected")
		if ok {
			got = left.Seconds()
		}
		if got != c.Answer {
			t.Errorf("%s: %+v: here %v, FreeRADIUS %v", now.Format("Mon 15:04:05"), c, got, c.Answer)
		}
	}
}

func TestNextPeriod(t *testing.T) {
	for _, tt := range []struct {
		zone, at string
		p        Period
		want     string
	}{
		{"Europe/Berlin", "2026-11-22 00:00", Day, "2026-11-23T00:00:00+01:00"},
		{"Europe/Berlin", "2026-11-22 23:59", Week, "2026-11-23T00:00:00+01:00"}, // a Sunday
		{"Europe/Berlin", "2026-11-23 00:00", Week, "2026-11-30T00:00:00+01:00"},
		{"Europe/Berlin", "2026-12-31 12:00", Month, "2027-01-01T00:00:00+01:00"},
		{"Europe/Berlin", "2026-03-29 01:00", Day, "2026-03-30T00:00:00+02:00"},
		{"Europe/Berlin", "2026-10-25 01:00", Day, "2026-10-26T00:00:00+01:00"},
		{"America/Havana", "2026-03-07 20:00", Day, "2026-03-08T01:00:00-04:00"}, // there is no midnight
	} {
		zone, err := time.LoadLocation(tt.zone)
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.ParseInLocation("2006-01-02 15:04", tt.at, zone)
		if err != nil {
			t.Fatal(err)
		}
		if got := tt.p.next(at).Format(time.RFC3339); got != tt.want {
			t.Errorf("after %s in %s: %s, want %s", tt.at, tt.zone, got, tt.want)
		}
	}
}

// allowed is how long an account may be online with a counter in which so much is used.
func allowed(t *testing.T, now time.Time, counter string, limit, used int64) (time.Duration, bool) {
	t.Helper()
	m := New(Config{Clock: clock.NewFake(now, "boot"), TimeZone: time.UTC, Logger: slog.New(slog.DiscardHandler)})
	m.period = m.periodsNow()
	l, errs := limitsOf(nil, []Attribute{{"Max-" + counter + "-Session", ":=", strconv.FormatInt(limit, 10)}})
	if errs != nil {
		t.Fatal(errs)
	}
	s := Session{Limits: Resolve(Bounds{}, l)}
	b := &book{}
	for p := range periods {
		b.lines = append(b.lines, Spent{Period: p, Start: m.period[p], Seconds: used})
	}
	left, over := m.allowance(&s, b, 1)
	return left, over == nil
}
