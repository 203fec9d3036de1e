package sessions

// Volume bounds data by direction. Zero: no bound.
type Volume struct {
	Up    Bytes `json:"up,omitempty"`   // from the station
	Down  Bytes `json:"down,omitempty"` // to the station
	Total Bytes `json:"total,omitempty"`
}

// VolumeLimit is a Volume as a source of limits gives it: what is nil is absent.
type VolumeLimit struct {
	Up    *Bytes `json:"up,omitempty"`
	Down  *Bytes `json:"down,omitempty"`
	Total *Bytes `json:"total,omitempty"`
}

// CapsOf are the data caps that there may be, all at once: of a session by itself, and of an account in a calendar day, week
// and month and in all, shared by its stations; of what it is online alike. Where a session is nobody's (click-through), its station stands for the account.
type CapsOf[T any] struct {
	Session T `json:"session,omitzero"`
	Day     T `json:"day,omitzero"`
	Week    T `json:"week,omitzero"`
	Month   T `json:"month,omitzero"`
	Life    T `json:"life,omitzero"` // all that a voucher may use
}

// TooLarge tells of a bound above MaxBytes.
func (v VolumeLimit) TooLarge() bool {
	return max(valueOf(v.Up), valueOf(v.Down), valueOf(v.Total)) > MaxBytes
}

func (c *CapsOf[T]) all() [5]*T { return [5]*T{&c.Session, &c.Day, &c.Week, &c.Month, &c.Life} }

// ofAccount are the caps of the periods, in their order.
func (c *CapsOf[T]) ofAccount() [periods]*T { return [periods]*T{&c.Day, &c.Week, &c.Month, &c.Life} }

// octets are data by direction.
type octets struct{ up, down Bytes }

func (u Usage) octets() octets { return octets{Bytes(u.InputOctets), Bytes(u.OutputOctets)} }

func (o octets) plus(p octets) octets { return octets{o.up + p.up, o.down + p.down} }

// minus is never less than nothing.
func (o octets) minus(p octets) octets {
	return octets{o.up - min(o.up, p.up), o.down - min(o.down, p.down)}
}

// raise adds to every bound that there is.
func (v Volume) raise(by Bytes) Volume {
	for _, b := range []*Bytes{&v.Up, &v.Down, &v.Total} {
		if *b > 0 {
			*b += by
		}
	}
	return v
}

// least is what is left until the first of the bounds is reached; ok is false where there is none.
func (v Volume) least(used octets) (left Bytes, ok bool) {
	for _, b := range []struct{ bound, used Bytes }{{v.Up, used.up}, {v.Down, used.down}, {v.Total, used.up + used.down}} {
		if b.bound == 0 {
			continue
		}
		if rest := b.bound - min(b.bound, b.used); !ok || rest < left {
			left, ok = rest, true
		}
	}
	return left, ok
}

// rest are the bounds for what is left after used.
func (v Volume) rest(used octets) Volume {
	var c Cap
	c.tighten(v, used)
	return Volume{Bytes(c.Up), Bytes(c.Down), Bytes(c.Total)}
}

// tighten lowers the bounds of c to what v leaves after used.
func (c *Cap) tighten(v Volume, used octets) {
	for _, b := range []struct {
		to          *uint64
		bound, used Bytes
	}{{&c.Up, v.Up, used.up}, {&c.Down, v.Down, used.down}, {&c.Total, v.Total, used.up + used.down}} {
		if b.bound == 0 {
			continue
		}
		left := max(1, uint64(b.bound-min(b.bound, b.used))) // zero would be no bound
		if *b.to == 0 || left < *b.to {
			*b.to = left
		}
	}
}
