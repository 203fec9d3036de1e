package config_test

import (
	"strings"
	"testing"

	"gatehouse/config"
)

// TestProofs: what must not be in a zone whose guests prove who they are at the centre.
func TestProofs(t *testing.T) {
	const centre = "[centre]\nurl = 'https://centre.example'\ntoken_file = '/x'\n"
	zone := func(methods, rest string) string {
		return "nas_ip = '192.0.2.1'\n" + centre + "[[zone]]\nname = 'guest'\ninterfaces = ['br0']\nmethods = [" + methods + "]\n" + rest
	}
	const mail = "[[zone.register.field]]\nname = 'email'\nrequired = true\n"
	for name, test := range map[string]struct{ text, wrong string }{
		"email":                {zone("'email'", ""), ""},
		"no centre":            {strings.Replace(zone("'email'", ""), centre, "", 1), "needs a centre"},
		"access too long":      {zone("'email'", "[zone.email]\naccess = '1h'\n"), "too long"},
		"numbers anywhere":     {zone("'sms'", ""), "nowhere to which numbers"},
		"a country":            {zone("'sms'", "[zone.sms]\ncountry_code = '+49'\n"), ""},
		"no country":           {zone("'sms'", "[zone.sms]\ncountry_code = 'DE'\n"), "no country's calling code"},
		"no prefix":            {zone("'sms'", "[zone.sms]\nprefixes = ['0170']\n"), "no prefix of numbers"},
		"asks nothing":         {zone("'register'", ""), "asks nothing"},
		"registration":         {zone("'register'", "[zone.register]\nverify = 'email'\n"+mail), ""},
		"unverified":           {zone("'register'", "[zone.register]\npassword = true\n"+mail), "for nobody"},
		"clear password":       {zone("'register'", "[zone.register]\nverify = 'email'\npassword = true\n"+mail), "need HTTPS"},
		"verified by nothing":  {zone("'register'", "[zone.register]\nverify = 'sms'\n[zone.sms]\ncountry_code = '49'\n"+mail), "needs the field telephone"},
		"unknown field":        {zone("'register'", "[[zone.register.field]]\nname = 'shoe_size'\n"), "no field of GATE's"},
		"field without a name": {zone("'register'", "[[zone.register.field]]\nname = 'custom_field_1'\n"), "no words of their own"},
		"asked twice":          {zone("'register'", mail+mail), "asked twice"},
		"strange type":         {zone("'register'", "[[zone.register.field]]\nname = 'event'\nlabel = 'x'\ntype = 'file'\n"), "not known"},
		"hostile label":        {zone("'register'", "[[zone.register.field]]\nname = 'event'\nlabel = \"a\\nb\"\n"), "not printable"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Parse(strings.NewReader(test.text), "testhost")
			if test.wrong == "" && err != nil || test.wrong != "" && (err == nil || !strings.Contains(err.Error(), test.wrong)) {
				t.Errorf("got %v, want %q", err, test.wrong)
			}
		})
	}
}
