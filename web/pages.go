package web

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"gatehouse/sessions"
)

// Venue is whose guests the pages speak to.
type Venue struct {
	Name  string // of the house or the zone; empty: "Guest Wi-Fi"
	Terms string // plain text, an empty line between paragraphs; empty: terms of our own in the page's language
	Theme *Theme // nil: ours
	URL   string // of a page about the place, for devices that ask (RFC 8908); empty: none
}

// Page is what all pages share.
type Page struct {
	Locale Locale
	Chosen bool // Locale was chosen by hand: links and forms carry it along
	Venue  Venue
	Code   string // for the guest to read out to who helps; empty: none
	Self   string // path and query of this page, or of where a guest goes from here who wants another language; empty: /
}

// Problem is what a guest is told when something did not work. The zero Problem is none.
type Problem struct {
	Method     sessions.Method // of the way in that was tried; empty: none
	Reason     sessions.Reason // of sessions, or Internal or FormExpired
	RetryAfter time.Duration   // for sessions.RefusedTooOften
	Slot       *sessions.Slot  // a place that can be freed; nil: none
	Until      time.Time       // when it is worth while to come again; zero: not known
}

// Login offers the ways in.
type Login struct {
	Page
	Ways         []Way          // in this order
	Remember     time.Duration  // the forms offer to remember the device so long; zero: they do not
	AddDevices   bool           // a device that cannot type has a page of its own
	Slot         *sessions.Slot // one of these can be logged out; nil: not now
	TermsVersion string         // that the buttons accept; empty: none
	Cleartext    bool           // some way is offered by the zone but not over this connection: say why
	Token        string         // goes back with every form
	URL          string         // where the guest wanted to go; empty: unknown
	Problem      Problem
	Before       *Before // what the guest had before; nil: nothing
}

// Status tells a guest who is online what is left.
type Status struct {
	Page
	Devices    bool   // there is a page of them
	Username   string // empty: nobody's session
	Limited    bool   // Left is meaningful
	Left, Used time.Duration
	Balance    *sessions.Balance // of time; nil: there is none, or it is not known
	Data       sessions.DataView
	Down, Up   uint64 // octets, to and from the station
	RateDown   sessions.BitRate
	RateUp     sessions.BitRate // zero: no bound
	Prolong
	Warn     bool          // little is left
	Pause    time.Duration // the session can be paused, and is kept for so long; zero: it cannot
	Voucher  *Voucher      // can be typed for more; nil: not here
	Password bool          // the account has one that may be changed here
	Address  string        // where the page is found again; empty: it is not said
	Live     bool          // the page is loaded again and again
	ReadAt   time.Time
	URL      string // http or https; empty: no link
	Token    string

	TermsVersion string // that whoever types a voucher accepts; empty: none
	Problem      Problem
}

// LoggedOut is the page after a logout.
type LoggedOut struct{ Page }

// Terms shows the terms of use.
type Terms struct {
	Page
	Version string
	URL     string // goes along on the way back
}

// Unknown is for a device that is in no zone of ours.
type Unknown struct{ Page }

// NewStatus makes the status page of a view's running session. RFC 2866 counts Input from the station: its upload.
func NewStatus(p Page, v sessions.StationView, readAt time.Time) Status {
	s := v.Session
	st := Status{Page: p, Left: v.Left, Limited: v.Limited, Balance: v.Balance, Used: s.Used, Data: s.Data, Down: s.Usage.OutputOctets, Up: s.Usage.InputOctets, ReadAt: readAt}
	st.RateUp, st.RateDown = s.Limits.Bandwidth(s.Data.Slow)
	_, stay := sessions.StayID(s.Username)
	if s.Source != sessions.SourceGuest && s.Source != sessions.SourceVoucher && !stay { // a number that says nothing to a guest
		st.Username = s.Username
	}
	return st
}

func (p Page) texts() *texts { return words(p, common) }

func (p Page) name() string {
	if p.Venue.Name == "" {
		return p.texts().GuestWiFi
	}
	return p.Venue.Name
}

// initial is the letter in the monogram.
func (p Page) initial() string {
	r, _ := utf8.DecodeRuneInString(strings.TrimSpace(p.name()))
	return strings.ToUpper(string(r))
}

func (p Page) paragraphs() []string {
	if strings.TrimSpace(p.Venue.Terms) == "" {
		return p.texts().TermsDefault
	}
	var out []string
	for part := range strings.SplitSeq(strings.ReplaceAll(p.Venue.Terms, "\r\n", "\n"), "\n\n") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

func (l Login) title() string {
	t := l.texts()
	if l.Problem.Reason != "" {
		return t.Error + ": " + t.LogIn
	}
	return t.LogIn
}

// Say is what a guest is told of a problem, for who does not show a page.
func (p Page) Say(problem Problem) string {
	text := p.texts().problem(problem.Reason)
	for _, own := range p.ownProblems() {
		text = cmp.Or(own[problem.Reason], text)
	}
	switch problem.Method {
	case sessions.MethodEmail, sessions.MethodSMS, sessions.MethodRegister, sessions.MethodSponsor, sessions.MethodOIDC:
		if problem.Reason == sessions.RefusedCentreAway { // no account of the guest's is meant
			text = words(p, proofWords).Away
		}
	}
	return strings.NewReplacer("{wait}", p.texts().wait(problem.RetryAfter), "{until}", p.moment(problem.Until)).Replace(text)
}

// ownProblems are the reasons that parts of the pages have words for.
func (p Page) ownProblems() []map[sessions.Reason]string {
	return []map[sessions.Reason]string{words(p, trialWords).Problems, words(p, deviceWords).Problems, p.after().Problems}
}

// problem is told in the words of the way in that was tried, where it has its own.
func (l Login) problem() string {
	for _, w := range l.Ways {
		own, ok := w.(interface {
			problem(Page, sessions.Reason) string
		})
		if ok && w.Method() == l.Problem.Method {
			if text := own.problem(l.Page, l.Problem.Reason); text != "" {
				return text
			}
		}
	}
	return l.Say(l.Problem)
}

// wrong tells that what was typed into the form of this way is not right.
func (l Login) wrong(m sessions.Method) bool {
	switch l.Problem.Reason {
	case sessions.RefusedCredentials, sessions.RefusedCode, sessions.RefusedMistyped, sessions.RefusedContact:
		return l.Problem.Method == m
	}
	return false
}

func (s Status) dataLeft() string {
	if s.Data.Slow {
		return s.texts().DataSlow
	}
	return s.texts().size(uint64(s.Data.Left))
}

// host is how a link to a page names it.
func (s Status) host() string {
	u, err := url.Parse(s.URL)
	if err != nil {
		return ""
	}
	return u.Host
}

// Link is the address of a page of ours; original goes along where it is not empty, as does a language that was chosen.
func (p Page) Link(path, original string) string {
	q := url.Values{}
	if original != "" {
		q.Set("u", original)
	}
	if p.Chosen {
		q.Set("lang", string(p.Locale))
	}
	switch {
	case len(q) == 0:
		return path
	case strings.Contains(path, "?"):
		return path + "&" + q.Encode()
	}
	return path + "?" + q.Encode()
}

func (p Page) selfPath() string {
	path, _, _ := strings.Cut(p.Self, "?")
	if path == "" {
		return "/"
	}
	return path
}

// selfQuery are names and values of the query of the page's own address, for a form that adds the language.
func (p Page) selfQuery() (pairs [][2]string) {
	_, query, _ := strings.Cut(p.Self, "?")
	values, _ := url.ParseQuery(query) // what cannot be read is left out
	delete(values, "lang")
	for _, name := range slices.Sorted(maps.Keys(values)) {
		for _, v := range values[name] {
			pairs = append(pairs, [2]string{name, v})
		}
	}
	return pairs
}

// manyWays is more than what the page shows at once.
const manyWays = 2

// open tells whether a way's form is shown where others are folded.
func (l Login) open(w Way) bool {
	for _, other := range l.Ways {
		if other.Method() == l.Problem.Method {
			return w.Method() == l.Problem.Method
		}
	}
	return w == l.Ways[0]
}
