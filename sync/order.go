package gwsync

import (
	"time"

	"gatehouse/api/edge"
	"gatehouse/sessions"
)

// order converts an event. One that this program does not know, or cannot be, has no kind and is refused.
func order(e *edge.Event) sessions.Order {
	o := sessions.Order{ID: e.ID}
	switch {
	case e.Disconnect != nil:
		o.Kind, o.AcctSessionID = sessions.OrderDisconnect, e.Disconnect.AcctSessionID
	case e.Extend != nil && min(e.Extend.Seconds, e.Extend.Octets) >= 0 && e.Extend.Seconds <= maxSeconds && e.Extend.Octets <= int64(sessions.MaxBytes):
		o.Kind, o.AcctSessionID = sessions.OrderExtend, e.Extend.AcctSessionID
		o.Extension = sessions.Extension{Time: time.Duration(e.Extend.Seconds) * time.Second, Data: sessions.Bytes(e.Extend.Octets)}
	case e.Rate != nil:
		o.Kind, o.AcctSessionID = sessions.OrderRate, e.Rate.AcctSessionID
		o.Extension = sessions.Extension{RateUp: bits(e.Rate.Up), RateDown: bits(e.Rate.Down)}
	case e.Admit != nil:
		mac, err := sessions.ParseMAC(e.Admit.MAC)
		if err != nil || e.Admit.Username == "" {
			return o
		}
		o.Kind, o.MAC, o.Username, o.UserID = sessions.OrderAdmit, mac, e.Admit.Username, e.Admit.UserID
		o.Limits = sessions.Limits{SessionTimeout: span(e.Admit.SessionTimeout), IdleTimeout: span(e.Admit.IdleTimeout)}
	case e.Erase != nil && e.Erase.Username != "":
		o.Kind, o.Username, o.UserID = sessions.OrderErase, e.Erase.Username, e.Erase.UserID
	}
	return o
}

// maxSeconds is the longest span that a RADIUS attribute holds.
const maxSeconds = 1<<32 - 1

func bits(n *int64) *sessions.BitRate {
	if n == nil || *n < 0 {
		return nil
	}
	r := sessions.BitRate(*n)
	return &r
}

func span(n *int64) *time.Duration {
	if n == nil || *n < 0 || *n > maxSeconds {
		return nil
	}
	d := time.Duration(*n) * time.Second
	return &d
}
