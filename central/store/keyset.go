package store

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Position is a place between two rows of a list that is ordered by time and id, newest first.
type Position struct {
	At int64 // microseconds
	ID int64
}

// Page is what of a list is wanted: Limit rows from a position on, or from the beginning, or before the position when
// Backward. Offset skips rows.
type Page struct {
	Limit    int
	Offset   int
	From     *Position
	Backward bool
}

// cutPage takes away the row beyond the page and puts the rest into the list's order.
func cutPage[T any](p Page, list []T) (page []T, more bool) {
	if more = len(list) > p.Limit; more {
		list = list[:p.Limit]
	}
	if p.Backward {
		slices.Reverse(list)
	}
	return list, more
}

// keyset builds a query of a table t by (time, id), newest first. The index is named, because only the caller knows that
// rows come out of it in order and need no sorting.
type keyset struct {
	d                     dialect
	table, index, columns string
	join                  string // after the table; may be empty
	time, id              string
	where                 []string
	args                  []any
}

func (q *keyset) and(condition string, args ...any) {
	q.where, q.args = append(q.where, condition), append(q.args, args...)
}

func (q *keyset) equal(column string, value int64) {
	if value != 0 {
		q.and(column+" = ?", value)
	}
}

func (q *keyset) between(column string, from, to time.Time) {
	if !from.IsZero() {
		q.and(column+" >= ?", micros(from))
	}
	if !to.IsZero() {
		q.and(column+" <= ?", micros(to))
	}
}

func (q *keyset) oneOf(column string, values []string) {
	if len(values) == 0 {
		return
	}
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	if len(values) == 1 {
		q.and(column+" = ?", args...)
		return
	}
	q.and(column+" IN (?"+strings.Repeat(", ?", len(values)-1)+")", args...)
}

func (q *keyset) sql(p Page) (text string, args []any) {
	compare, order := "<", "DESC"
	if p.Backward {
		compare, order = ">", "ASC"
	}
	if p.From != nil {
		// The bound on the time alone says nothing new, but it lets a partitioned table leave partitions out.
		q.and(fmt.Sprintf("t.%[1]s %[3]s= ? AND (t.%[1]s, t.%[2]s) %[3]s (?, ?)", q.time, q.id, compare), p.From.At, p.From.At, p.From.ID)
	}
	hint := ""
	if q.index != "" {
		hint = q.d.index(q.index)
	}
	text = fmt.Sprintf("SELECT %s FROM %s t%s%s WHERE %s ORDER BY t.%s %[8]s, t.%[7]s %[8]s LIMIT ? OFFSET ?",
		q.columns, q.table, hint, q.join, strings.Join(q.where, " AND "), q.time, q.id, order)
	return text, append(q.args, p.Limit+1, p.Offset)
}
