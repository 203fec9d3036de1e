package sessions

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"time"
)

// MAC is a station's 48-bit hardware address, the Calling-Station-Id of RFC 2865.
type MAC [6]byte

var errMAC = errors.New("a MAC address is twelve hexadecimal digits, as in 02:00:5e:10:00:01")

// ParseMAC reads a MAC address with colons, hyphens, dots or no separator, in either case.
func ParseMAC(s string) (MAC, error) {
	var m MAC
	digits := strings.Map(func(r rune) rune {
		if r == ':' || r == '-' || r == '.' {
			return -1
		}
		return r
	}, strings.TrimSpace(s))
	if len(digits) != 12 {
		return m, fmt.Errorf("%q: %w", s, errMAC)
	}
	if _, err := hex.Decode(m[:], []byte(digits)); err != nil {
		return m, fmt.Errorf("%q: %w", s, errMAC)
	}
	return m, nil
}

// String is the address in lower case with colons.
func (m MAC) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

// CallingStationID is the address as RFC 3580 §3.21 writes it: upper case, hyphens.
func (m MAC) CallingStationID() string {
	return strings.ToUpper(strings.ReplaceAll(m.String(), ":", "-"))
}

// LogValue keeps the vendor and the last octet only: a log is not the place for a person's device.
func (m MAC) LogValue() slog.Value {
	return slog.StringValue(fmt.Sprintf("%02x:%02x:%02x:..:..:%02x", m[0], m[1], m[2], m[5]))
}

// MarshalText implements encoding.TextMarshaler.
func (m MAC) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *MAC) UnmarshalText(b []byte) error {
	v, err := ParseMAC(string(b))
	if err == nil {
		*m = v
	}
	return err
}

// Station is a device in a zone. The same MAC in two zones is two stations.
type Station struct {
	Zone string `json:"zone"`
	MAC  MAC    `json:"mac"`
}

// String is zone/mac, for humans.
func (s Station) String() string { return s.Zone + "/" + s.MAC.String() }

// LogValue hides the middle of the MAC.
func (s Station) LogValue() slog.Value {
	return slog.StringValue(s.Zone + "/" + s.MAC.LogValue().String())
}

func compareStations(a, b Station) int {
	return cmp.Or(strings.Compare(a.Zone, b.Zone), slices.Compare(a.MAC[:], b.MAC[:]))
}

// sortFunc is slices.SortFunc, which a router's program would have a whole copy of for each type (decision 0042).
func sortFunc[T any](all []T, compare func(a, b T) int) {
	sort.Slice(all, func(i, j int) bool { return compare(all[i], all[j]) < 0 })
}

// StationState says where a station stands, in the words of RFC 8908 and RFC 8952.
type StationState string

// The states of a station.
const (
	Captive    StationState = "captive"    // seen, not admitted
	Authorized StationState = "authorized" // has a running session
	Blocked    StationState = "blocked"    // reaches nothing, by an AccessRule
)

// StationView is what is known of one station at this moment.
type StationView struct {
	Station
	State StationState `json:"state"`
	Addrs []netip.Addr `json:"addresses,omitempty"`
	// SeenAt is the monotonic time of the last sighting; 0: not seen since the start.
	SeenAt  time.Duration `json:"-"`
	Session *Session      `json:"session,omitempty"`
	// Left is what remains of the session, where Limited: also of a balance that is lent bit by bit. Balance is nil where none is known.
	Left    time.Duration `json:"-"`
	Limited bool          `json:"-"`
	Balance *Balance      `json:"-"`
	// Ended is the last session, for an hour after its end; Paused what a pause keeps, for PauseLeft yet.
	Ended     *Session      `json:"-"`
	Paused    *Session      `json:"-"`
	PauseLeft time.Duration `json:"-"`
	// More is by how much Prolong would extend the session, or the ended one; zero: not at all.
	More     time.Duration `json:"-"`
	CanPause bool          `json:"-"`                // as far as can be told without looking at the voucher
	Access   *AccessRule   `json:"access,omitempty"` // the rule that counts for it; nil: none
	// Refused says why its MAC address did not let it in, although a rule says so.
	Refused Reason `json:"refused,omitempty"`
}
