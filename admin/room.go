package admin

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"gatehouse/sessions"
)

// Rooms keeps who stays in which room.
type Rooms interface {
	// ReplaceStays returns the user names of stays that are gone or changed.
	ReplaceStays(ctx context.Context, list []sessions.Stay) (touched []string, err error)
	Stays(ctx context.Context) ([]sessions.Stay, error)
}

// ImportRoomsRequest brings a list of guests, as CSV with a head, in the place of the one before.
type ImportRoomsRequest struct {
	CSV   string `json:"csv"`
	Empty bool   `json:"empty,omitempty"` // it may be empty
}

// ImportedRooms says what came of it.
type ImportedRooms struct {
	Stays int `json:"stays"` // on the list, without those that are over
	Ended int `json:"ended"` // that were on the one before and are on this no more, or have changed
}

// Stay is a guest in a room. His name is not known any more.
type Stay struct {
	Room     string    `json:"room"`
	Username string    `json:"username"` // that his devices are accounted under
	From     time.Time `json:"from"`
	Until    time.Time `json:"until"`
	Online   int       `json:"online"` // devices
}

const (
	maxStays    = 5000
	maxRoomName = 64 // octets
	toldErrors  = 20 // of a list
)

func (s *Server) rooms(ctx context.Context, _ none) ([]Stay, error) {
	all, err := s.cfg.Rooms.Stays(ctx)
	if err != nil {
		return nil, err
	}
	online := map[string]int{}
	for _, r := range s.cfg.Sessions.Sessions() {
		online[r.Username]++
	}
	out := make([]Stay, len(all))
	for i, st := range all {
		name := sessions.StayName(st.ID)
		out[i] = Stay{Room: st.Room, Username: name, From: st.From, Until: st.Until, Online: online[name]}
	}
	return out, nil
}

func (s *Server) roomsImport(ctx context.Context, in ImportRoomsRequest) (ImportedRooms, error) {
	list, err := s.readStays(in.CSV)
	if err != nil {
		return ImportedRooms{}, err
	}
	if len(list) == 0 && !in.Empty {
		return ImportedRooms{}, &Error{Code: CodeInvalid, Message: "nobody on the list stays now or later, which would end every guest's session; if that is meant, say so with --empty"}
	}
	touched, err := s.cfg.Rooms.ReplaceStays(ctx, list)
	if err != nil {
		return ImportedRooms{}, err
	}
	var failed error
	for _, name := range touched {
		failed = errors.Join(failed, s.cfg.Sessions.AccountChanged(ctx, name))
	}
	if failed != nil {
		return ImportedRooms{}, fmt.Errorf("the list is in place, but looking at sessions: %w", failed)
	}
	s.cfg.Logger.Info("list of rooms replaced by the operator", "stays", len(list), "touched", len(touched))
	return ImportedRooms{Stays: len(list), Ended: len(touched)}, nil
}

// stayColumns are those that a list may have, and how each is read.
var stayColumns = map[string]func(*stayReader, *sessions.Stay, string) error{
	"room": func(_ *stayReader, s *sessions.Stay, v string) error {
		s.Room = v
		if v == "" || len(v) > maxRoomName {
			return fmt.Errorf("write the room, up to %d octets", maxRoomName)
		}
		return nil
	},
	"name": func(_ *stayReader, s *sessions.Stay, v string) error { s.Guest = v; return nil },
	"from": func(r *stayReader, s *sessions.Stay, v string) (err error) {
		s.From, err = r.moment(v, false)
		return err
	},
	"until": func(r *stayReader, s *sessions.Stay, v string) (err error) {
		if v == "" {
			return errors.New("is missing: write the check-out")
		}
		s.Until, err = r.moment(v, true)
		return err
	},
	"devices": func(_ *stayReader, s *sessions.Stay, v string) error {
		if v == "" {
			return nil
		}
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 || n > 1000 {
			return errors.New("write a number, 0 for no bound")
		}
		s.Limits.SimultaneousUse = &n
		return nil
	},
	"bandwidth_up":   func(_ *stayReader, s *sessions.Stay, v string) error { return rateColumn(v, &s.Limits.BandwidthUp) },
	"bandwidth_down": func(_ *stayReader, s *sessions.Stay, v string) error { return rateColumn(v, &s.Limits.BandwidthDown) },
}

func rateColumn(v string, to **sessions.BitRate) error {
	if v == "" {
		return nil
	}
	r, err := sessions.ParseBitRate(v)
	if err == nil {
		*to = &r
	}
	return err
}

// stayReader reads a list.
type stayReader struct {
	zone   *time.Location
	now    time.Time
	errors []string
}

// readStays reads a list as a whole; who has left already is not on it. The error tells every line that is wrong.
func (s *Server) readStays(text string) ([]sessions.Stay, error) {
	r := &stayReader{zone: cmp.Or(s.cfg.TimeZone, time.Local), now: s.cfg.Clock.Now()}
	text = strings.TrimPrefix(text, "\ufeff")
	invalid := func(format string, args ...any) error {
		return &Error{Code: CodeInvalid, Message: fmt.Sprintf(format, args...)}
	}
	if !utf8.ValidString(text) {
		return nil, invalid("the list is not UTF-8; save it as \"CSV UTF-8\"")
	}
	lines := csv.NewReader(bytes.NewReader([]byte(text)))
	if head, _, _ := strings.Cut(text, "\n"); strings.Contains(head, ";") { // spreadsheets where the comma is a decimal one
		lines.Comma = ';'
	}
	lines.TrimLeadingSpace, lines.FieldsPerRecord = true, -1
	head, err := lines.Read()
	if err != nil {
		return nil, invalid("the list has no head; its first line is: room,name,from,until")
	}
	for i := range head {
		head[i] = strings.ToLower(strings.TrimSpace(head[i]))
		if stayColumns[head[i]] == nil {
			return nil, invalid("the list has no use for a column %q; it may have room, name, from, until, devices, bandwidth_up and bandwidth_down", head[i])
		}
	}
	for _, must := range []string{"room", "name", "until"} {
		if !slices.Contains(head, must) {
			return nil, invalid("the list lacks the column %q", must)
		}
	}
	list := r.rows(lines, head)
	if len(list) > maxStays {
		return nil, invalid("the list has %d guests; up to %d there may be", len(list), maxStays)
	}
	if n := len(r.errors); n > 0 {
		if n > toldErrors {
			r.errors = append(r.errors[:toldErrors], fmt.Sprintf("and %d more", n-toldErrors))
		}
		return nil, invalid("nothing was changed:\n%s", strings.Join(r.errors, "\n"))
	}
	return list, nil
}

func (r *stayReader) rows(lines *csv.Reader, head []string) (list []sessions.Stay) {
	for {
		row, err := lines.Read()
		if err == io.EOF {
			return list
		}
		line, _ := lines.FieldPos(0)
		if err != nil {
			r.wrong(line, "", err)
			return list
		}
		if len(row) != len(head) {
			r.wrong(line, "", fmt.Errorf("has %d columns, the head has %d", len(row), len(head)))
			continue
		}
		st, ok := r.row(line, head, row)
		if ok && st.Until.After(r.now) {
			list = append(list, st)
		}
	}
}

// row reads one guest.
func (r *stayReader) row(line int, head, row []string) (st sessions.Stay, ok bool) {
	before := len(r.errors)
	for i, v := range row {
		if err := stayColumns[head[i]](r, &st, strings.TrimSpace(v)); err != nil {
			r.wrong(line, head[i], err)
		}
	}
	if st.From.IsZero() { // he is here already
		st.From = time.Unix(0, 0)
	}
	if st.Guest = sessions.ListedGuest(st.Room, st.Guest); st.Guest == "" {
		r.wrong(line, "name", errors.New("there are no letters to compare; write the family name"))
	}
	if !st.Until.IsZero() && !st.Until.After(st.From) {
		r.wrong(line, "until", errors.New("is not after from"))
	}
	return st, len(r.errors) == before
}

func (r *stayReader) wrong(line int, column string, err error) {
	if column != "" {
		column += " "
	}
	r.errors = append(r.errors, fmt.Sprintf("line %d: %s%v", line, column, err))
}

// moment reads a date or a date and time, in the gateway's time zone where it names none. A date alone is that whole day.
func (r *stayReader) moment(v string, end bool) (time.Time, error) {
	if v == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02 15:04:05"} {
		if t, err := time.ParseInLocation(layout, v, r.zone); err == nil {
			return t, nil
		}
	}
	t, err := time.ParseInLocation(time.DateOnly, v, r.zone)
	if err != nil {
		return t, errors.New("is no date; write it as in 2027-01-31 or 2027-01-31 11:00")
	}
	if end {
		t = t.AddDate(0, 0, 1)
	}
	return t, nil
}
