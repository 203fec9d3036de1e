package sessions

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Attribute is one RADIUS attribute with FreeRADIUS's operator.
type Attribute struct {
	Name  string `json:"attribute"`
	Op    string `json:"op"`
	Value string `json:"value"`
}

// Profile is an AAA profile: what its users may, and when it counts for a login.
type Profile struct {
	ShortName string      `json:"short_name"`
	Check     []Attribute `json:"check,omitempty"`
	Reply     []Attribute `json:"reply,omitempty"`
}

// Asked is what a login says of itself: RADIUS attributes by their names in small letters. A User-Password is there when one
// was given, but never its text.
type Asked map[string]string

// AskedBy is what a login with user name and password says of itself where nothing else is known.
func AskedBy(username string) Asked {
	return Asked{"user-name": username, "user-password": hiddenPassword}
}

// hiddenPassword stands for the password that was given. Profiles can ask whether there was one, or compare it with itself as
// GATE's own example does, and nothing else.
const hiddenPassword = "\x00"

// Verdict is what the profiles of an account say to one login.
type Verdict struct {
	Rejected bool        // a profile that counts has Auth-Type := Reject
	Matched  []string    // the profiles that count, in their order
	Control  []Attribute // what their checks set, as Simultaneous-Use
	Reply    []Attribute // in order; of several with one name the first is meant
}

// Evaluate runs profiles as FreeRADIUS runs groups (standards.md §4.9; decision 0021): one whose checks do not all hold is
// passed over, the replies of the others act on the reply in their order. All profiles are looked at, unless one that
// counts says Fall-Through = No.
func Evaluate(profiles []Profile, asked Asked) Verdict {
	var v Verdict
	for _, p := range profiles {
		if slices.ContainsFunc(p.Check, func(a Attribute) bool { return !a.holds(asked) }) {
			continue
		}
		v.Matched = append(v.Matched, p.ShortName)
		v.Control = move(v.Control, settings(p.Check, asked))
		v.Reply = move(v.Reply, expanded(p.Reply, asked))
		if last(p.Reply) {
			break
		}
	}
	v.Rejected = slices.ContainsFunc(v.Control, func(a Attribute) bool {
		return strings.EqualFold(a.Name, "Auth-Type") && strings.EqualFold(a.Value, "Reject")
	})
	v.Reply = slices.DeleteFunc(v.Reply, func(a Attribute) bool { return strings.EqualFold(a.Name, "Fall-Through") })
	return v
}

// Limits are the limits in a verdict, and what in it cannot be read.
func (v Verdict) Limits() (Limits, []error) { return limitsOf(v.Reply, v.Control) }

// Open tells whether the hours in a verdict let somebody in at a time, by its own time zone.
func (v Verdict) Open(at time.Time) bool {
	l, _ := v.Limits()
	open, _ := loginHours(valueOf(l.LoginTime), at)
	return open
}

// Faults are what in a profile can have no effect because of how it is written, whatever a login says.
func (p *Profile) Faults() []error {
	var errs []error
	for _, a := range p.Check {
		if _, err := a.pattern(a.Value); err != nil {
			errs = append(errs, fmt.Errorf("%s: %q is not a regular expression", a.Name, a.Value))
		}
	}
	for _, a := range p.Reply {
		if !slices.Contains([]string{"=", ":=", "+=", "==", ">=", "<=", "!*"}, a.Op) {
			errs = append(errs, fmt.Errorf("%s: operator %q does nothing in a reply", a.Name, a.Op))
		}
	}
	_, unread := limitsOf(move(nil, p.Reply), settings(p.Check, nil))
	return append(errs, unread...)
}

// Unheeded says of attributes that they mean nothing here, and what comes of that.
func (p *Profile) Unheeded() (said []string) {
	for _, a := range p.Check {
		name := strings.ToLower(a.Name)
		switch {
		case name == "auth-type" && !strings.EqualFold(a.Value, "Reject"):
			said = append(said, a.Name+": only Reject means something")
		case a.control():
			if data, online := counterOf(new(Limits), name); (data != nil || online != nil) && strings.TrimSpace(a.Value) == "0" {
				said = append(said, a.Name+": 0 is no bound")
			}
		case a.Op == ":=" || a.Op == "+=":
			said = append(said, a.Name+": sets nothing")
		case a.Op != "!*" && !strings.Contains(asksFor, " "+name+" "):
			said = append(said, a.Name+": no login has it, so that the profile never counts")
		}
	}
	for _, a := range p.Reply {
		// What can be read cannot be read from this.
		if _, wrong := limitsOf([]Attribute{{a.Name, "=", "?"}}, nil); wrong == nil && !strings.EqualFold(a.Name, "Fall-Through") {
			said = append(said, a.Name+": does nothing in a reply")
		}
	}
	return said
}

// asksFor are the attributes that a login may have; see Session.asked.
const asksFor = " user-name user-password calling-station-id called-station-id called-station-ssid nas-identifier nas-ip-address" +
	" nas-port-id nas-port-type service-type wispr-location-name framed-ip-address "

func last(reply []Attribute) bool {
	return slices.ContainsFunc(reply, func(a Attribute) bool {
		return strings.EqualFold(a.Name, "Fall-Through") && (strings.EqualFold(a.Value, "No") || a.Value == "0")
	})
}

// control tells whether an attribute belongs to the server: no request has it, so a check sets it, by any operator that could
// mean that. To FreeRADIUS "==" is then a comparison that never holds, and "=" another; but "==" is the default of its
// check table, and who writes Simultaneous-Use means a limit.
func (a Attribute) control() bool {
	name := strings.ToLower(a.Name)
	data, online := counterOf(new(Limits), name)
	return slices.Contains([]string{"simultaneous-use", "auth-type", "fall-through", "login-time"}, name) || data != nil || online != nil
}

// holds tells whether a check is fulfilled.
func (a Attribute) holds(asked Asked) bool {
	name := strings.ToLower(a.Name)
	if a.Op == ":=" || a.Op == "+=" || a.control() {
		return true
	}
	have, there := asked[name]
	switch {
	case !there && name == "user-password": // as there, so that the check lets other ways in pass
		return true
	case !there || a.Op == "!*":
		return there == (a.Op != "!*")
	}
	want := expand(a.Value, asked)
	re, err := a.pattern(want)
	if err != nil {
		return false
	}
	if re != nil {
		return re.MatchString(have) == (a.Op != "!~")
	}
	if a.Op == "=*" {
		return true
	}
	order, ok := compare(name, have, want)
	return ok && inOrder(a.Op, order)
}

func inOrder(op string, order int) bool {
	switch op {
	case "!=":
		return order != 0
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	}
	return order == 0 // "==" and, as there, "="
}

// pattern is the regular expression of a check that has one: "=*" with a value is one in GATE (gate-api C08).
func (a Attribute) pattern(value string) (*regexp.Regexp, error) {
	if a.Op == "=~" || a.Op == "!~" || a.Op == "=*" && a.Value != "" {
		return regexp.Compile(value)
	}
	return nil, nil
}

// settings are the checks that set something instead of comparing.
func settings(check []Attribute, asked Asked) []Attribute {
	var list []Attribute
	for _, a := range check {
		switch {
		case a.Op == ":=" || a.Op == "+=":
		case a.control() && (a.Op == "=" || a.Op == "=="):
			a.Op = "="
		default:
			continue
		}
		a.Value = expand(a.Value, asked)
		list = append(list, a)
	}
	return list
}

func expanded(list []Attribute, asked Asked) []Attribute {
	list = slices.Clone(list)
	for i := range list {
		list[i].Value = expand(list[i].Value, asked)
	}
	return list
}

var expansion = regexp.MustCompile(`%\{([A-Za-z0-9-]+)\}`)

// expand puts what was asked into %{Attribute-Name}; what was not asked is empty.
func expand(value string, asked Asked) string {
	return expansion.ReplaceAllStringFunc(value, func(m string) string { return asked[strings.ToLower(m[2:len(m)-1])] })
}

// move brings the attributes of one profile into those of the profiles before it. The operators act on what was there before,
// never on each other: of "= 100, := 300" in one profile both are there, in this order.
func move(to, from []Attribute) []Attribute {
	before := len(to)
	taken := make([]bool, before) // replaced by one of from, and left alone by the others
	gone := make([]bool, before)
	out := slices.Clone(to)
	for _, a := range from {
		add := slices.Contains([]string{"=", "+=", ":=", "<=", ">="}, a.Op)
		for i := 0; i < before && a.Op != "+="; i++ {
			if taken[i] || gone[i] || !strings.EqualFold(out[i].Name, a.Name) {
				continue
			}
			replaces, drops, stops := a.actsOn(out[i])
			switch {
			case replaces:
				out[i], taken[i] = a, true
			case drops:
				gone[i] = true
			}
			if add = add && !replaces && a.Op != "="; stops {
				break
			}
		}
		if add {
			out = append(out, a)
		}
	}
	kept := out[:0]
	for i, a := range out {
		if i >= before || !gone[i] {
			kept = append(kept, a)
		}
	}
	return kept
}

// actsOn is what a reply operator does to an attribute of the same name that is there already, and whether it looks at more
// of them.
func (a Attribute) actsOn(b Attribute) (replaces, drops, stops bool) {
	order, comparable := compare(strings.ToLower(a.Name), b.Value, a.Value)
	switch a.Op {
	case ":=":
		return true, false, true
	case "=":
		return false, false, true
	case "!*":
		return false, true, false
	case "==": // a filter: what differs goes
		return false, order != 0 || !comparable, false
	case "<=": // a bound: what is beyond becomes the bound
		return comparable && order > 0, false, comparable && order > 0
	case ">=":
		return comparable && order < 0, false, comparable && order < 0
	}
	return false, false, true
}

// compare orders two values of an attribute by its type: addresses and numbers by what they are, anything else by octets.
func compare(name, a, b string) (order int, ok bool) {
	switch name {
	case "nas-ip-address", "framed-ip-address", "nas-ipv6-address", "framed-ipv6-address":
		x, errX := netip.ParseAddr(a)
		y, errY := netip.ParseAddr(b)
		return x.Compare(y), errX == nil && errY == nil
	case "nas-port-type", "service-type", "nas-port":
		x, okX := numberOf(name, a)
		y, okY := numberOf(name, b)
		return cmp.Compare(x, y), okX && okY
	case "user-name", "calling-station-id", "called-station-id", "called-station-ssid", "nas-identifier", "nas-port-id":
		return strings.Compare(a, b), true
	}
	x, errX := strconv.ParseUint(a, 10, 64)
	y, errY := strconv.ParseUint(b, 10, 64)
	if errX == nil && errY == nil {
		return cmp.Compare(x, y), true
	}
	return strings.Compare(a, b), true
}

// numberOf reads an integer attribute, also by the names of RFC 2865 §5.6 and §5.41.
func numberOf(name, value string) (uint64, bool) {
	names := map[string]uint64{"login-user": 1, "framed-user": 2, "callback-login-user": 3, "outbound-user": 5,
		"administrative-user": 6, "authenticate-only": 8, "call-check": 10}
	if name == "nas-port-type" {
		names = map[string]uint64{"virtual": 5, "ethernet": 15, "cable": 17, "wireless-other": 18, "wireless-802.11": 19}
	}
	if n, ok := names[strings.ToLower(value)]; ok && name != "nas-port" {
		return n, true
	}
	n, err := strconv.ParseUint(value, 10, 32)
	return n, err == nil
}
