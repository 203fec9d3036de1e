package sessions

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Bytes is an amount of data, in octets as Usage counts them. Zero means unlimited wherever a limit is meant.
type Bytes uint64

// MaxBytes is the largest amount that ParseBytes takes: a petabyte.
const MaxBytes Bytes = 1e15

var byteUnits = []struct {
	suffix string
	octets Bytes
}{{"TiB", 1 << 40}, {"TB", 1e12}, {"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"kB", 1e3}, {"B", 1}}

// ErrBytes says that a text is no amount of data.
var ErrBytes = errors.New(`write a whole number and its unit, as in "500MB", "2GiB" or "1500000B", or "0" for no limit`)

// ParseBytes reads a whole number with the unit B, kB, MB, GB or TB (powers of 1000) or KiB, MiB, GiB or TiB (powers of
// 1024), in any case, or "0". Bits are not a unit of it.
func ParseBytes(v string) (Bytes, error) {
	if v == "0" {
		return 0, nil
	}
	for _, u := range byteUnits {
		at := len(v) - len(u.suffix)
		if at < 1 || !strings.EqualFold(v[at:], u.suffix) {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimRight(v[:at], " "), 10, 64)
		if err != nil || Bytes(n) > MaxBytes/u.octets {
			return 0, ErrBytes
		}
		return Bytes(n) * u.octets, nil
	}
	return 0, ErrBytes
}

// String spells the amount with the largest unit that leaves a whole number, as in "500MB"; "0" is none, or unlimited.
func (b Bytes) String() string {
	if b == 0 {
		return "0"
	}
	for _, u := range byteUnits {
		if b%u.octets == 0 {
			return fmt.Sprintf("%d%s", b/u.octets, u.suffix)
		}
	}
	return "" // not reached: the last unit is one octet
}
