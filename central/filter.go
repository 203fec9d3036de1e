package central

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse/api/gate"
	"gatehouse/central/store"
)

// number is an id in a filter: 456, or user_456 when the prefix is user. Zero: the filter is not there. nothing tells that
// no row can have it.
func (q *cursorQuery) number(errs map[string][]string, name, prefix string) (n int64, nothing bool) {
	text := q.filters[name]
	if text == "" {
		return 0, false
	}
	n, ok := parseID(text, prefix)
	if !ok {
		errs[name] = []string{"Enter a number."}
		return 0, false
	}
	return n, n <= 0
}

func parseID(text, prefix string) (n int64, ok bool) {
	n, err := strconv.ParseInt(strings.TrimPrefix(text, prefix+"_"), 10, 64)
	return n, err == nil
}

// moment is a bound on time; zero when the filter is not there. A day alone is its beginning, or its last microsecond when
// endOfDay.
func (q *cursorQuery) moment(errs map[string][]string, name string, endOfDay bool) time.Time {
	text := q.filters[name]
	if text == "" {
		return time.Time{}
	}
	t, dateOnly, ok := parseTime(text)
	if !ok {
		errs[name] = []string{"Enter a valid date/time."}
	}
	if dateOnly && endOfDay {
		t = t.AddDate(0, 0, 1).Add(-time.Microsecond)
	}
	return t
}

func (q *cursorQuery) choice(errs map[string][]string, name string, choices ...string) string {
	text := q.filters[name]
	if text != "" && !slices.Contains(choices, text) {
		errs[name] = []string{"Select a valid choice. " + text + " is not one of the available choices."}
	}
	return text
}

// values are the values of a list with commas, without empty ones.
func (q *cursorQuery) values(name string) []string {
	return slices.DeleteFunc(strings.Split(q.filters[name], ","), func(v string) bool { return strings.TrimSpace(v) == "" })
}

func truth(text string) bool {
	return slices.Contains([]string{"true", "1", "t", "yes", "y", "on"}, strings.ToLower(text))
}

// organization finds an organisation of the token's scope by number, org_ number or short name; ok is false when there is
// none.
func (s *Server) organization(c *call, text string) (id int64, ok bool, err error) {
	if n, isNumber := parseID(text, gate.OrganizationPrefix); isNumber {
		return n, slices.Contains(c.token.Scope, n), nil
	}
	id, err = s.cfg.Store.OrganizationID(c.Context(), c.token.Scope, text)
	return found(id, err)
}

// found turns ErrNotFound into a no.
func found(id int64, err error) (int64, bool, error) {
	if errors.Is(err, store.ErrNotFound) {
		return 0, false, nil
	}
	return id, err == nil, err
}
