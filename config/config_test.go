package config_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/config"
	"gatehouse/sessions"
)

var update = flag.Bool("update", false, "write the golden files")

// TestInvalid has one file per way to be wrong, and what the operator is told.
func TestInvalid(t *testing.T) {
	files, err := filepath.Glob("testdata/invalid-*.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".toml"), func(t *testing.T) {
			_, err := config.Load(file, "testhost")
			if err == nil {
				t.Fatal("no error")
			}
			got := err.Error() + "\n"
			golden := strings.TrimSuffix(file, ".toml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
}

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse(strings.NewReader(text), "testhost")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestReference(t *testing.T) {
	raw, err := os.ReadFile("reference.toml")
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, string(raw))
	hours := func(n time.Duration) *time.Duration { d := n * time.Hour; return &d }
	minutes := func(n time.Duration) *time.Duration { d := n * time.Minute; return &d }
	rate := func(r sessions.BitRate) *sessions.BitRate { return &r }
	gb := func(n sessions.Bytes) *sessions.Bytes { n *= 1e9; return &n }
	half, few := sessions.Bytes(500e6), sessions.Bytes(100e6)
	three := 3
	want := sessions.Zone{
		Name: "guest", Methods: []sessions.Method{sessions.MethodClick, sessions.MethodPassword, sessions.MethodTrial},
		Proofs: sessions.Proofs{CountryCode: "49", Prefixes: []string{"49", "43", "41"}, Register: sessions.Registration{
			Verify: sessions.MethodEmail, Password: true, Fields: []sessions.RegistrationField{{Name: "email", Type: "email", Required: true,
				Label: "E-mail", Labels: map[string]string{"de": "E-Mail-Adresse", "fr": "Adresse e-mail"}}}}},
		Trial: &sessions.Trial{AtOnce: 20, PerDay: 200, Limits: sessions.Limits{SessionTimeout: minutes(15), BandwidthUp: rate(1e6), BandwidthDown: rate(4e6),
			Caps: sessions.CapsOf[sessions.VolumeLimit]{Session: sessions.VolumeLimit{Total: &few}}}},
		Remember: 30 * 24 * time.Hour, AddDevices: true,
		Hours: sessions.Hours{Closed: []string{"2026-12-24", "12-25"}, Spans: []sessions.Span{{Day: 1, From: 480, To: 1320}, {Day: 2, From: 480, To: 1320},
			{Day: 3, From: 480, To: 1320}, {Day: 4, From: 480, To: 1320}, {Day: 5, From: 480, To: 1320}, {Day: 6, From: 600, To: 1440}, {Day: 0, From: 600, To: 1440},
			{Day: 6, From: 1320, To: 1560}}},
		TermsVersion: "2026-11", AllowCleartext: true,
		Limits: sessions.Limits{SessionTimeout: hours(8), IdleTimeout: minutes(30), InterimInterval: minutes(10), SimultaneousUse: &three,
			BandwidthUp: rate(5e6), BandwidthDown: rate(20e6), SlowUp: rate(256e3), SlowDown: rate(512e3),
			Caps: sessions.CapsOf[sessions.VolumeLimit]{Session: sessions.VolumeLimit{Total: gb(2)}, Day: sessions.VolumeLimit{Up: &half, Total: gb(1)},
				Week: sessions.VolumeLimit{Total: gb(5)}, Month: sessions.VolumeLimit{Total: gb(15)}}},
		Bounds: sessions.Bounds{MaxSessionTimeout: 24 * time.Hour, MaxIdleTimeout: 2 * time.Hour, MaxBandwidthUp: 20e6, MaxBandwidthDown: 50e6,
			MaxCaps: sessions.CapsOf[sessions.Volume]{Session: sessions.Volume{Total: 10e9}, Day: sessions.Volume{Total: 10e9},
				Week: sessions.Volume{Total: 20e9}, Month: sessions.Volume{Total: 50e9}}},
		Place: sessions.Place{
			CalledStationID: "02-00-5E-10-00-01:Hotel Example Guests", SSID: "Hotel Example Guests",
			NASPortID: "br-guest", LocationID: 12, LocationName: "Lobby",
		},
		AccessPoints: []sessions.AccessPoint{{Port: "lan3", ID: 7, Name: "Lobby east", MAC: "02-00-5E-10-00-07", SSID: "Hotel Example Guests"}},
		Access: []sessions.AccessRule{
			{Kind: sessions.AccessBlocked, MAC: sessions.MAC{2, 0, 0x5e, 0x10, 0, 0x66}, Note: "threw a chair"},
			{Kind: sessions.AccessTrusted, MAC: sessions.MAC{2, 0, 0x5e, 0x10, 0, 0x21}, Note: "printer in the lobby"},
			{Kind: sessions.AccessTrusted, MAC: sessions.MAC{2, 0, 0x5e, 0x10, 0, 0x22}},
			{Kind: sessions.AccessPreauthorized, MAC: sessions.MAC{2, 0, 0x5e, 0x10, 0, 0x31}, Account: "room12", Note: "television"},
		},
		Spoofing: sessions.Spoofing{Treatment: sessions.TreatLog, For: 10 * time.Minute},
		Prolong:  sessions.Prolonging{By: 30 * time.Minute, Times: 2}, MaxPause: 7 * 24 * time.Hour,
	}
	if diff := cmp.Diff([]sessions.Zone{want}, c.DomainZones()); diff != "" {
		t.Errorf("zones (-want +got):\n%s", diff)
	}
	if z := c.Zones[0]; z.CapUp != 50e6 || z.CapDown != 200e6 || z.AfterLogin != config.AfterStatus || z.WarnBefore != 5*time.Minute {
		t.Errorf("the zone's caps: %v up, %v down; after the login %q, warned %v before", z.CapUp, z.CapDown, z.AfterLogin, z.WarnBefore)
	}
	if c.NASID != "lobby-1" || c.NASIP.String() != "192.0.2.1" || c.Portal.Venue != "Hotel Example" {
		t.Errorf("identity: %q %v %q", c.NASID, c.NASIP, c.Portal.Venue)
	}
	if got := c.TimeZone.String(); got != "CET-1CEST,M3.5.0,M10.5.0/3" {
		t.Errorf("time zone: %s", got)
	}
	if got := c.Centre; got.URL.String() != "https://centre.example" || got.VerifierMaxAge != 30*24*time.Hour {
		t.Errorf("centre: %v", got)
	}
}

// TestReferenceIsWhole finds a key that the parser knows and the reference file does not tell: the message about an
// unknown key lists all known ones.
func TestReferenceIsWhole(t *testing.T) {
	raw, err := os.ReadFile("reference.toml")
	if err != nil {
		t.Fatal(err)
	}
	table := regexp.MustCompile(`(?m)^\[[a-z_.\[\]]*\]$`)
	const texts = "[portal.theme.texts.en.common]" // these are looked at by Load
	tables := 1 + len(table.FindAllString(string(raw), -1)) - strings.Count(string(raw), "\n"+texts+"\n")
	text := "typo = 1\n" + table.ReplaceAllString(string(raw), "$0\ntypo = 1")
	_, err = config.Parse(strings.NewReader(text), "testhost")
	problems, ok := err.(config.Problems)
	if !ok || len(problems) != tables {
		t.Fatalf("want one unknown key in each of %d tables, got: %v", tables, err)
	}
	for _, p := range problems {
		_, known, _ := strings.Cut(p.Mend, "use one of ")
		for _, key := range strings.Split(known, ", ") {
			if !regexp.MustCompile(`(?m)^(# )?\[*([a-z]+\.)*` + key + `([\].]| =)`).MatchString(string(raw)) {
				t.Errorf("%s: reference.toml does not tell of %s", p.Key, key)
			}
		}
	}
}

func TestDefaults(t *testing.T) {
	c := parse(t, "nas_ip = '192.0.2.1'\n[[zone]]\nname = 'guest'\ninterfaces = ['br0']\nmethods = ['click']\nterms = 'be kind'\n")
	got := map[string]any{
		"nas_id": c.NASID, "state": c.StateDir, "runtime": c.RuntimeDir, "group": c.ControlGroup, "persist": c.PersistInterval,
		"port": c.Portal.HTTPPort, "centre": c.Centre == nil, "on_stop": c.Zones[0].OnStop, "terms": c.Zones[0].TermsVersion,
		"limits": c.Zones[0].Limits,
	}
	want := map[string]any{
		"nas_id": "testhost", "state": "/var/lib/gatehouse", "runtime": "/run/gatehouse", "group": "gatehouse", "persist": time.Minute,
		"port": uint16(2080), "centre": true, "on_stop": config.StopClosed, "terms": "959c5805d5c2",
		"limits": sessions.Limits{},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
}

func TestLoadNamedFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	terms, token := write("terms.txt", "be kind\n", 0o644), write("token", "abc123\n", 0o600)
	conf := write("gatehouse.toml", "nas_ip = '192.0.2.1'\n[centre]\nurl='http://127.0.0.1:8080'\ntoken_file='"+token+
		"'\n[[zone]]\nname='guest'\ninterfaces=['br0']\nmethods=['click']\nterms_file='"+terms+"'\n", 0o644)
	c, err := config.Load(conf, "testhost")
	if err != nil {
		t.Fatal(err)
	}
	if c.Zones[0].Terms != "be kind" || c.Zones[0].TermsVersion != "959c5805d5c2" {
		t.Errorf("got %q, version %q", c.Zones[0].Terms, c.Zones[0].TermsVersion)
	}
	if err := os.Chmod(token, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = config.Load(conf, "testhost")
	want := "centre.token_file: " + token + " can be read by everybody on this machine; chmod 0600 " + token
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestTimeZone: names, and rules as in /etc/TZ of OpenWrt, where there are no files that names are looked up in.
func TestTimeZone(t *testing.T) {
	summer, winter := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC), time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		zone           string
		summer, winter string
	}{
		{"UTC", "12:00", "12:00"},
		{"CET-1CEST,M3.5.0,M10.5.0/3", "14:00", "13:00"},
		{"<-03>3", "09:00", "09:00"},
		{"AEST-10AEDT,M10.1.0,M4.1.0/3", "22:00", "23:00"},
	} {
		c := parse(t, "time_zone = '"+test.zone+"'\nnas_ip = '192.0.2.1'\n[[zone]]\nname = 'guest'\ninterfaces = ['br0']\nmethods = ['click']\nterms = 'be kind'\n")
		if s, w := summer.In(c.TimeZone).Format("15:04"), winter.In(c.TimeZone).Format("15:04"); s != test.summer || w != test.winter {
			t.Errorf("%s: noon in summer is %s, want %s; in winter %s, want %s", test.zone, s, test.summer, w, test.winter)
		}
	}
}

// TestGarden: which entries open what, and that an entry's text is the entry.
func TestGarden(t *testing.T) {
	for _, test := range []struct {
		entry, what string
		want        bool
	}{
		{"pay.example.com", "Pay.Example.com.", true},
		{"pay.example.com", "www.pay.example.com", false},
		{"*.example.org", "a.b.example.org", true},
		{"*.example.org", "example.org", false},
		{"*.example.org", "badexample.org", false},
		{"192.0.2.0/24", "192.0.2.200", true},
		{"192.0.2.0/24", "::ffff:192.0.2.200", true},
		{"192.0.2.7", "192.0.2.8", false},
		{"198.51.100.7:8443", "198.51.100.7", true},
		{"[2001:db8::7]:8443", "2001:db8::7", true},
		{"2001:db8::/32", "pay.example.com", false},
	} {
		g, err := config.ParseGarden(test.entry)
		if err != nil || g.String() != test.entry {
			t.Errorf("%s is read as %s: %v", test.entry, g, err)
		}
		if got := g.Covers(test.what); got != test.want {
			t.Errorf("%s covers %s: %v", test.entry, test.what, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/invalid-*.toml")
	for _, file := range append(files, "reference.toml") {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(raw))
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := config.Parse(strings.NewReader(text), "testhost")
		if (c == nil) == (err == nil) {
			t.Fatalf("config %v with error %v", c, err)
		}
		if err != nil && strings.TrimSpace(err.Error()) == "" {
			t.Fatal("an error without a message")
		}
		if c != nil && len(c.Zones) == 0 {
			t.Fatal("a configuration without a zone")
		}
	})
}
