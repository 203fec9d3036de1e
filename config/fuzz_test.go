package config_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"gatehouse/config"
)

// FuzzValues puts a text in the place of one value of the reference: units, addresses, networks, names, MAC addresses.
func FuzzValues(f *testing.F) {
	raw, err := os.ReadFile("reference.toml")
	if err != nil {
		f.Fatal(err)
	}
	lines := strings.Split(string(raw), "\n")
	var values []int // the lines that give a text
	for i, line := range lines {
		_, value, ok := strings.Cut(line, " = ")
		if value = strings.Trim(value, "[]"); ok && strings.HasPrefix(value, `"`) && !strings.HasPrefix(line, "#") {
			f.Add(uint8(len(values)), strings.Trim(value, `"`))
			values = append(values, i)
		}
	}
	for i, text := range []string{"106751d", "-1s", "1e9h", "0x1Mbit", "100Gbit", "*.", "[::1%x]:80", "02:00:5e", "\x00", "9223372036s"} {
		f.Add(uint8(i), text)
	}
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		at := values[int(which)%len(values)]
		key, value, _ := strings.Cut(lines[at], " = ")
		quoted, err := json.Marshal(text) // TOML reads what JSON writes
		if err != nil {
			return
		}
		changed := string(quoted)
		if strings.HasPrefix(value, "[") {
			changed = "[" + changed + "]"
		}
		all := strings.Join(lines[:at], "\n") + "\n" + key + " = " + changed + "\n" + strings.Join(lines[at+1:], "\n")
		c, err := config.Parse(strings.NewReader(all), "testhost")
		if err != nil {
			if c != nil || !strings.Contains(err.Error(), key) {
				t.Errorf("%s = %s: an error that does not name the key: %v", key, changed, err)
			}
			return
		}
		z := c.Zones[0]
		for _, limit := range []int64{int64(*z.Limits.SessionTimeout), int64(*z.Limits.IdleTimeout), int64(c.PersistInterval)} {
			if limit < 0 || limit%1e9 != 0 {
				t.Errorf("%s = %s gives a time of %d ns", key, changed, limit)
			}
		}
		for _, g := range z.Garden {
			if again, err := config.ParseGarden(g.String()); err != nil || again != g {
				t.Errorf("%s = %s is garden entry %s, which reads as %v, %v", key, changed, g, again, err)
			}
		}
	})
}
