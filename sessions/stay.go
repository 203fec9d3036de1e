package sessions

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Stay is a guest in a room, from an operator's list.
type Stay struct {
	ID    int64
	Room  string // as listed
	Guest string // ListedGuest of room and name, which nobody keeps in clear; empty in what was kept
	From  time.Time
	Until time.Time // the account of the stay ends with it
	// Limits are its account's own.
	Limits Limits
}

// Account is the account that the stay's devices are online by.
func (s *Stay) Account() Account {
	return Account{Source: SourceLocal, Username: StayName(s.ID), Active: true, Expiration: s.Until, Limits: s.Limits}
}

// Stays finds who stays here.
type Stays interface {
	// StayOf returns the stay of one of these guests that has begun and is not over at that time, or whenever where it is zero;
	// ErrNoAccount when there is none. All take the same time.
	StayOf(ctx context.Context, guests []string, at time.Time) (Stay, error)
}

// stayPrefix is of names that no user can have.
const stayPrefix = "stay#"

// StayName is the User-Name that a stay is accounted under. It tells neither room nor guest.
func StayName(id int64) string { return stayPrefix + strconv.FormatInt(id, 10) }

// StayID is the stay that StayName names.
func StayID(username string) (id int64, ok bool) {
	text, ok := strings.CutPrefix(username, stayPrefix)
	if !ok {
		return 0, false
	}
	id, err := strconv.ParseInt(text, 10, 64)
	return id, err == nil && id > 0
}

// byRoom is the account of the stay whose room and name were typed, within the guess limits. That a room is empty is not told
// from a wrong name.
func (m *Manager) byRoom(ctx context.Context, req LoginRequest) (Account, error) {
	if m.cfg.Stays == nil {
		return Account{}, &Refusal{Reason: RefusedMethod}
	}
	keys := m.roomGuess(req.Station, foldRoom(req.Room))
	if wait := m.guess.wait(m.cfg.Clock.Mono(), keys); wait > 0 {
		return Account{}, &Refusal{Reason: RefusedTooOften, RetryAfter: wait}
	}
	now := m.cfg.Clock.Now()
	if !m.believable(now) {
		now = time.Time{}
	}
	s, err := m.cfg.Stays.StayOf(ctx, TypedGuests(req.Room, string(req.GuestName)), now)
	if errors.Is(err, ErrNoAccount) {
		m.guess.spend(m.cfg.Clock.Mono(), keys)
		return Account{}, &Refusal{Reason: RefusedCredentials}
	}
	if err != nil {
		return Account{}, err
	}
	return s.Account(), nil
}

// ListedGuest is how a guest of a list is compared: room and family name, folded. Of a name with a comma only what stands before
// it counts. Empty: there is nothing to compare.
func ListedGuest(room, name string) string {
	family, _, _ := strings.Cut(name, ",")
	words := foldName(family)
	if room = foldRoom(room); room == "" || len(words) == 0 {
		return ""
	}
	return guest(room, words...)
}

func guest(room string, words ...string) string { return room + "\x00" + strings.Join(words, "") }

// TypedGuests are those that may be meant by what somebody typed, who may have given his names in another order and his first name
// too: up to three words count, alone and together in each order.
func TypedGuests(room, name string) []string {
	room = foldRoom(room)
	words := foldName(strings.ReplaceAll(name, ",", " "))
	if len(words) > 3 {
		return []string{guest(room, words...), guest(room, words[0]), guest(room, words[len(words)-1])}
	}
	var out []string
	for i, a := range words {
		out = append(out, guest(room, a))
		for j, b := range words {
			if j == i {
				continue
			}
			out = append(out, guest(room, a, b))
			for k, c := range words {
				if k != i && k != j {
					out = append(out, guest(room, a, b, c))
				}
			}
		}
	}
	return out
}

// foldRoom leaves letters and digits, small, digits of other scripts as ours, without zeros in front.
func foldRoom(room string) string {
	folded := strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Nd, r):
			return '0' + digit(r)
		case unicode.IsLetter(r):
			return unicode.ToLower(r)
		}
		return -1
	}, room)
	return strings.TrimLeft(folded[:max(0, len(folded)-1)], "0") + folded[max(0, len(folded)-1):]
}

// digit is the value of a decimal digit: in each script they stand side by side, ten by ten.
func digit(r rune) rune {
	for _, zero := range [...]rune{'0', '٠', '۰', '०', '０'} {
		if r >= zero && r <= zero+9 {
			return r - zero
		}
	}
	return 0
}

// latin are letters with what they are compared as.
var latin = strings.NewReplacer(slices.Concat(
	letters("àáâãäåāăąǎ", "a"), letters("çćĉċč", "c"), letters("ďđð", "d"), letters("èéêëēĕėęě", "e"), letters("ĝğġģ", "g"), letters("ĥħ", "h"),
	letters("ìíîïĩīĭįıǐ", "i"), letters("ĵ", "j"), letters("ķ", "k"), letters("ĺļľŀł", "l"), letters("ñńņňŋ", "n"), letters("òóôõöøōŏőǒ", "o"),
	letters("ŕŗř", "r"), letters("śŝşšșſ", "s"), letters("ţťŧț", "t"), letters("ùúûüũūŭůűųǔ", "u"), letters("ŵ", "w"), letters("ýÿŷ", "y"),
	letters("źżž", "z"), letters("æ", "ae"), letters("œ", "oe"), letters("ß", "ss"), letters("þ", "th"))...)

func letters(of, as string) (pairs []string) {
	for _, r := range of {
		pairs = append(pairs, string(r), as)
	}
	return pairs
}

// umlauts are written with and without their e, and å with one a or two.
var umlauts = strings.NewReplacer("ae", "a", "oe", "o", "ue", "u", "aa", "a")

// foldName is a name's words, small, without accents and what is no letter. Hyphens and blanks part words, apostrophes do not.
func foldName(name string) []string {
	var words []string
	for _, part := range strings.FieldsFunc(latin.Replace(strings.ToLower(name)), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || r == '/' || r == '&'
	}) {
		word := umlauts.Replace(strings.Map(func(r rune) rune {
			if unicode.IsLetter(r) || unicode.Is(unicode.Mc, r) || unicode.Is(unicode.Mn, r) && r > 0x36f { // vowels of Indic and Arabic names stay, accents go
				return r
			}
			return -1
		}, part))
		if word != "" {
			words = append(words, word)
		}
	}
	return words
}
