package sessions

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// BitRate is a bandwidth in bit/s, counted as on the wire of the zone (Ethernet headers included). Zero means unlimited
// wherever a limit is meant.
type BitRate uint64

// MaxBitRate is the highest rate that ParseBitRate takes: no router of ours forwards more.
const MaxBitRate BitRate = 100e9

var bitRateUnits = []struct {
	suffix string
	bits   BitRate
}{{"Gbit", 1e9}, {"Mbit", 1e6}, {"kbit", 1e3}}

// ErrBitRate says that a text is no bandwidth.
var ErrBitRate = errors.New(`write a whole number and its unit, as in "512kbit", "10Mbit" or "1Gbit", or "0" for no limit`)

// ParseBitRate reads a whole number with the unit kbit, Mbit or Gbit, in any case, or "0". Bytes are not a unit of it.
func ParseBitRate(v string) (BitRate, error) {
	if v == "0" {
		return 0, nil
	}
	for _, u := range bitRateUnits {
		at := len(v) - len(u.suffix)
		if at < 1 || !strings.EqualFold(v[at:], u.suffix) {
			continue
		}
		n, err := strconv.ParseUint(v[:at], 10, 32)
		if err != nil || BitRate(n) > MaxBitRate/u.bits {
			return 0, ErrBitRate
		}
		return BitRate(n) * u.bits, nil
	}
	return 0, ErrBitRate
}

// String spells the rate with the largest unit that leaves a whole number, as in "10Mbit"; "0" is unlimited.
func (r BitRate) String() string {
	if r == 0 {
		return "0"
	}
	for _, u := range bitRateUnits {
		if r%u.bits == 0 {
			return fmt.Sprintf("%d%s", r/u.bits, u.suffix)
		}
	}
	return fmt.Sprintf("%dbit", uint64(r))
}
