package central_test

import (
	"encoding/json"
	"testing"
	"time"

	"gatehouse/api/gate"
)

func TestValuesOnTheWire(t *testing.T) {
	zone := time.FixedZone("", 7200)
	tests := map[string]any{
		`"2024-01-02T03:04:05Z"`:        gate.Time{Time: time.Date(2024, 1, 2, 5, 4, 5, 999, zone)},
		`"2024-01-02T03:04:05.678900Z"`: gate.Time{Time: time.Date(2024, 1, 2, 3, 4, 5, 678900000, time.UTC)},
		`"user_456"`:                    gate.ID{Prefix: gate.UserPrefix, N: 456},
		`456`:                           gate.ID{N: 456},
		`null`:                          gate.NewTime(time.Time{}),
		`{"detail":"Not found."}`:       gate.Error{Detail: "Not found."},
	}
	for want, v := range tests {
		if got, err := json.Marshal(v); err != nil || string(got) != want {
			t.Errorf("%#v: %s, %v, want %s", v, got, err, want)
		}
	}
	for text, want := range map[string]gate.ID{`"org_1"`: {Prefix: "org", N: 1}, `7`: {N: 7}, `"7"`: {N: 7}} {
		var id gate.ID
		if err := json.Unmarshal([]byte(text), &id); err != nil || id != want {
			t.Errorf("%s: %+v, %v", text, id, err)
		}
	}
	if err := json.Unmarshal([]byte(`"org_x"`), new(gate.ID)); err == nil {
		t.Error(`"org_x" was taken for an id`)
	}
}
