package central

import (
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	tests := map[string]struct {
		want     string // empty: malformed
		dateOnly bool
	}{
		"2000-01-01":                       {"2000-01-01T00:00:00Z", true},
		"2000-01-01 00:01:00":              {"2000-01-01T00:01:00Z", false},
		"2000-01-01 00:01":                 {"2000-01-01T00:01:00Z", false},
		"2000-01-01 00:01:00+00:00":        {"2000-01-01T00:01:00Z", false},
		"2000-01-01 00:01:00 00:00":        {"2000-01-01T00:01:00Z", false}, // a + that a URL made a space
		"2000-01-01 00:01:00 02:00":        {"1999-12-31T22:01:00Z", false},
		"2000-01-01T00:01:00Z":             {"2000-01-01T00:01:00Z", false},
		"2000-01-01T00:01:00.5Z":           {"2000-01-01T00:01:00.5Z", false},
		"2000-01-01T00:01:00.123456-03:30": {"2000-01-01T03:31:00.123456Z", false},
		"2000-01-01T00:01:00+0200":         {"1999-12-31T22:01:00Z", false},
		" 2000-01-01 ":                     {"2000-01-01T00:00:00Z", true},
		"2000-02-30":                       {},
		"2000-01-01T25:00:00Z":             {},
		"2000-01-01T00:01:00+99:99":        {},
		"yesterday":                        {},
		"2000-01-01T":                      {},
		"20000101":                         {},
		"":                                 {},
	}
	for text, want := range tests {
		got, dateOnly, ok := parseTime(text)
		if ok != (want.want != "") || ok && (!got.Equal(at(want.want)) || dateOnly != want.dateOnly) {
			t.Errorf("%q: %s, date only %v, ok %v", text, got, dateOnly, ok)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(`{"seq":1,"accounting":{"acctstatustype":"Start","acctuniqueid":"u","acctsessionid":"s","acctstarttime":"2026-01-01T00:00:00Z"}}`))
	f.Add([]byte(`{"seq":1,"transaction":{"id":"u","type":"ui","status":"h200","datetime":"2026-01-01T00:00:00Z","message":"\u0000\ud800"}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := parseRecord(line)
		if err == nil && (r.Accounting == nil) == (r.Transaction == nil) {
			t.Errorf("%q was taken for a record", line)
		}
	})
}
