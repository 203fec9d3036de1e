package web

import (
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"gatehouse/sessions"
)

// Before is what a guest had who is not online any more: a session that a pause keeps, or one that has ended.
type Before struct {
	Paused bool
	Left   time.Duration // of a paused session
	Kept   time.Duration // for so long yet

	Cause  sessions.TerminateCause // of an ended session
	Capped bool                    // for data
	Prolong
}

// Prolong is what a guest may add to a session himself. The zero Prolong is nothing.
type Prolong struct {
	More time.Duration
	Nth  int // which time it would be, from 1 on
}

// NewBefore is what a view has of the time before; nil: nothing that a guest would want to know.
func NewBefore(v sessions.StationView) *Before {
	switch s := v.Ended; {
	case v.Paused != nil:
		b := &Before{Paused: true, Kept: v.PauseLeft}
		b.Left, _ = v.Paused.Left(v.Paused.Used)
		return b
	case v.Session != nil || s == nil || s.TerminateCause == sessions.UserRequest:
		return nil
	default:
		return &Before{Cause: s.TerminateCause, Capped: s.TerminateCause == sessions.NASRequest, Prolong: NewProlong(v, s)}
	}
}

// NewProlong is what may be added to a session of the view.
func NewProlong(v sessions.StationView, s *sessions.Session) Prolong {
	return Prolong{More: v.More, Nth: s.Prolonged.Times + 1}
}

// after are the words of what comes after the login.
func (p Page) after() *afterTexts { return words(p, afterWords) }

// put puts spans of time in the place of {left} and {kept}.
func (p Page) put(text string, left, kept time.Duration) string {
	return strings.NewReplacer("{left}", p.texts().duration(left), "{kept}", p.texts().duration(kept)).Replace(text)
}

func (b *Before) text(p Page) string {
	t := p.after()
	switch {
	case b.Capped:
		return t.EndedData
	case b.Cause == sessions.SessionTimeout:
		return t.EndedTime
	case b.Cause == sessions.IdleTimeout:
		return t.EndedIdle
	case b.Cause == sessions.AdminReset:
		return t.EndedStaff
	}
	return t.EndedOther
}

// rate writes bits per second as people know them.
func (t *texts) rate(r sessions.BitRate) string {
	unit, per := "kbit/s", 1e3
	if r >= 1e6 {
		unit, per = "Mbit/s", 1e6
	}
	return strings.Replace(strconv.FormatFloat(float64(r)/per, 'f', -1, 64), ".", t.Decimal, 1) + "\u00a0" + unit
}

// speed is what a session may have in both ways; empty: as much as there is.
func (s Status) speed() string {
	var both []string
	if s.RateDown > 0 {
		both = append(both, "↓\u00a0"+s.texts().rate(s.RateDown))
	}
	if s.RateUp > 0 {
		both = append(both, "↑\u00a0"+s.texts().rate(s.RateUp))
	}
	return strings.Join(both, " ")
}

// login has what a form of the login page needs.
func (s Status) login() Login {
	l := Login{Page: s.Page, Token: s.Token, URL: s.URL, TermsVersion: s.TermsVersion, Problem: s.Problem}
	if s.Voucher != nil {
		l.Ways = []Way{*s.Voucher}
	}
	return l
}

// cutShort tells that there is more in the balance than can be given, because the centre cannot be asked.
func (s Status) cutShort() bool {
	return s.Balance != nil && s.Balance.Away && s.Limited && s.Left < s.Balance.Left
}

// live is where the page keeps itself up to date, or where it stops to.
func (s Status) live() (path, text string) {
	if s.Live {
		return "/status", s.after().StopLive
	}
	return "/status?live=1", s.after().Live
}

// afterSamples are the states after the login.
func afterSamples(with func(func(*Login)) templ.Component, status Status) []Sample {
	before := func(b Before) templ.Component { return with(func(l *Login) { l.Before = &b }) }
	paying, away := status, status
	paying.Balance = &sessions.Balance{Left: 9*time.Hour + 40*time.Minute}
	away.Balance = &sessions.Balance{Left: 9*time.Hour + 40*time.Minute, Told: time.Date(2026, 11, 21, 18, 5, 0, 0, time.UTC), Away: true}
	status.Limited, status.Left, status.Warn, status.Prolong = true, 4*time.Minute, true, Prolong{30 * time.Minute, 1}
	status.Pause, status.RateDown, status.RateUp = 7*24*time.Hour, 20e6, 2500e3
	status.Address, status.Live = "http://192.0.2.1", true
	status.Password = true
	password := NewPassword{Page: status.Page, Username: "anna", Token: "sample", URL: status.URL}
	wrong, done := password, password
	wrong.Problem, done.Changed = Problem{Reason: sessions.RefusedCredentials}, true
	voucher := paying
	voucher.Voucher, voucher.TermsVersion = &Voucher{Instead: true}, "2026-11"
	usedUp := voucher
	usedUp.Voucher, usedUp.Problem = &Voucher{Instead: true, Code: "2345-6789-CDF"}, Problem{Method: sessions.MethodVoucher, Reason: sessions.RefusedNothingLeft}
	samples := []Sample{
		{"status-voucher", voucher.View()}, {"status-voucher-used-up", usedUp.View()},
		{"password", password.View()}, {"password-wrong", wrong.View()}, {"password-changed", done.View()},
		{"status-warning", status.View()}, {"status-balance", paying.View()}, {"status-balance-away", away.View()},
		{"login-paused", before(Before{Paused: true, Left: 40 * time.Minute, Kept: 70 * time.Hour})},
		{"login-ended-extend", before(Before{Cause: sessions.SessionTimeout, Prolong: status.Prolong})},
		{"login-ended-data", before(Before{Cause: sessions.NASRequest, Capped: true})},
	}
	for _, c := range []sessions.TerminateCause{sessions.IdleTimeout, sessions.AdminReset, sessions.LostCarrier} {
		samples = append(samples, Sample{"login-ended-" + strings.ToLower(string(c)), before(Before{Cause: c})})
	}
	return samples
}
