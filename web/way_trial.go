package web

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"gatehouse/sessions"
)

// Trial is the way in that is free for a while.
type Trial struct {
	oneStep
	TermsVersion string
	Time         time.Duration
}

// Method is sessions.MethodTrial.
func (Trial) Method() sessions.Method { return sessions.MethodTrial }

func (Trial) title(p Page) string { return words(p, trialWords).Title }

func (w Trial) fields(l Login) templ.Component { return l.trial(w) }

func (w Trial) button(p Page) string {
	return strings.ReplaceAll(words(p, trialWords).GoOnline, "{time}", p.texts().duration(w.Time))
}

// TermsText is the text of the terms as this page's guest sees it, for the receipt of what he accepted.
func (p Page) TermsText() string { return strings.Join(p.paragraphs(), "\n\n") }

// Closed is for who comes outside of the opening hours.
type Closed struct {
	Page
	Until time.Time // in the venue's time zone; zero: not known
	URL   string    // goes along
}

func (c Closed) text() string { return c.Say(Problem{Reason: sessions.RefusedClosed, Until: c.Until}) }

// demands tells that the button of a way in accepts the terms.
func (l Login) demands(m sessions.Method) bool {
	return l.TermsVersion != "" && m != sessions.MethodClick && m != sessions.MethodTrial
}

// moment is a time to come in the way of the language, in the time's own zone.
func (p Page) moment(at time.Time) string {
	t := words(p, trialWords)
	if at.IsZero() {
		return t.Later
	}
	return strings.NewReplacer("{weekday}", t.Weekdays[at.Weekday()], "{d}", strconv.Itoa(at.Day()), "{m}", strconv.Itoa(int(at.Month())),
		"{h}", strconv.Itoa(at.Hour()), "{min}", fmt.Sprintf("%02d", at.Minute())).Replace(t.Moment)
}

// trialSamples are the states of the form.
func trialSamples(page Page, with func(func(*Login)) templ.Component) []Sample {
	trial := Trial{TermsVersion: "2026-11", Time: 15 * time.Minute}
	closed := Closed{Page: page, Until: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)}
	return []Sample{
		{"closed", closed.View()},
		{"login-trial", with(func(l *Login) { l.Ways = []Way{trial, Password{}} })},
		{"login-terms-for-all", with(func(l *Login) { l.Ways, l.TermsVersion = []Way{Password{}}, "2026-11" })},
	}
}
