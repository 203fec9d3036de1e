package gate

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Time is a moment in UTC as Django REST framework writes it: microseconds, all six digits, only when they are not zero.
type Time struct{ time.Time }

// NewTime is t, or nil for the zero time.
func NewTime(t time.Time) *Time {
	if t.IsZero() {
		return nil
	}
	return &Time{t}
}

// String is the form on the wire, without quotes.
func (t Time) String() string {
	u := t.UTC().Truncate(time.Microsecond)
	if u.Nanosecond() == 0 {
		return u.Format("2006-01-02T15:04:05Z")
	}
	return u.Format("2006-01-02T15:04:05.000000Z")
}

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) { return []byte(`"` + t.String() + `"`), nil }

// The prefixes of ids that the API shows as text.
const (
	OrganizationPrefix = "org"
	UserPrefix         = "user"
	TransactionPrefix  = "txn"
	LocationPrefix     = "loc"
	AccessPointPrefix  = "ap"
	ClientPrefix       = "client"
	DevicePrefix       = "dev"
	AppPrefix          = "app"
)

// ID is a number that the API shows as text with a prefix, as in "user_456", or plain when Prefix is empty.
type ID struct {
	Prefix string
	N      int64
}

// String is the form on the wire, without quotes.
func (i ID) String() string {
	if i.Prefix == "" {
		return strconv.FormatInt(i.N, 10)
	}
	return i.Prefix + "_" + strconv.FormatInt(i.N, 10)
}

// MarshalJSON implements json.Marshaler.
func (i ID) MarshalJSON() ([]byte, error) {
	if i.Prefix == "" {
		return []byte(i.String()), nil
	}
	return []byte(`"` + i.String() + `"`), nil
}

// UnmarshalJSON takes both forms.
func (i *ID) UnmarshalJSON(b []byte) error {
	text := string(bytes.Trim(b, `"`))
	prefix, number, ok := strings.Cut(text, "_")
	if !ok {
		prefix, number = "", text
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return fmt.Errorf("%s is no id", b)
	}
	*i = ID{Prefix: prefix, N: n}
	return nil
}
