package sessions

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
