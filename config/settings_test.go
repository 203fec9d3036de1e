package config_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"gatehouse/config"
)

const plainFile = `nas_ip = "192.0.2.1"
[[zone]]
name = "guest"
interfaces = ["br-guest"]
methods = ["click"]
terms_file = "/etc/terms"
terms_version = "7"
session_timeout = "1h"
`

func TestCentreSettings(t *testing.T) {
	c, err := config.ParseWith(strings.NewReader(plainFile), "gw", config.Settings(`{"portal": {"venue": "Hotel"}, "zones": {"guest": {
		"session_timeout": "2h", "simultaneous_use": 3, "terms": "Be kind.", "walled_garden": ["pay.example.com"], "blocked": [],
		"caps": {"day": {"total": "1GB"}}, "preauthorized": [{"mac": "02:00:5e:10:00:01", "account": "tv"}]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	z := c.Zones[0]
	if c.Portal.Venue != "Hotel" || *z.Limits.SessionTimeout != 2*time.Hour || *z.Limits.SimultaneousUse != 3 || z.Terms != "Be kind." ||
		z.TermsFile != "" || z.TermsVersion == "7" || z.Garden[0].Name != "pay.example.com" || *z.Limits.Caps.Day.Total != 1e9 ||
		len(z.Access) != 1 || z.Access[0].Account != "tv" {
		t.Errorf("%+v, zone %+v", c.Portal, z)
	}
	for _, none := range []string{"", "null", "{}"} {
		c, err := config.ParseWith(strings.NewReader(plainFile), "gw", config.Settings(none))
		if err != nil || *c.Zones[0].Limits.SessionTimeout != time.Hour {
			t.Errorf("%q: %v", none, err)
		}
	}
}

// TestCentreSettingsRefused: what the centre may not set, or what is wrong, is told with its key, all at once.
func TestCentreSettingsRefused(t *testing.T) {
	for settings, keys := range map[string]string{
		`[]`:                      "settings",
		`{"centre": {"url": ""}}`: "settings.centre",
		`{"zones": {"vip": {"session_timeout": "1h"}, "guest": 7}}`:                             "settings.zones.guest settings.zones.vip",
		`{"zones": {"guest": {"interfaces": [], "management": ["10.0.0.0/8"]}}}`:                "settings.zones.guest.interfaces settings.zones.guest.management",
		`{"zones": {"guest": {"session_timeout": 60, "walled_garden": ["captive.apple.com"]}}}`: "zone[guest].walled_garden zone[guest].session_timeout",
		`{"portal": {"http_port": 80}, "zones": {"guest": {"terms": 1.5}}}`:                     "settings.portal.http_port zone[guest].terms zone[guest].terms",
	} {
		_, err := config.ParseWith(strings.NewReader(plainFile), "gw", config.Settings(settings))
		var problems config.Problems
		if !errors.As(err, &problems) {
			t.Errorf("%s: %v", settings, err)
			continue
		}
		var got []string
		for _, p := range problems {
			got = append(got, p.Key)
		}
		if strings.Join(got, " ") != keys {
			t.Errorf("%s: problems at %v, want %s", settings, got, keys)
		}
	}
}
