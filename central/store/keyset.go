package store

import (
	"fmt"
	"slices"
	"strconv"
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

// mostBranches is how many parts a list is merged from at most.
const mostBranches = 16

// keyset builds a query of a table t by (time, id), newest first. The index is named, because only the caller knows that
// rows come out of it in order and need no sorting.
type keyset struct {
	d                     dialect
	table, index, columns string
	join                  string // after the table; may be empty
	time, id              string
	where                 []string
	args                  []any
	branches              []branch // of which each row has to fulfil one; they exclude one another
}

type branch struct {
	where string
	args  []any
}

// within narrows the list to a scope. own is the index of one organisation's rows, all one of any's; own may be empty. Of some
// organisations each is read by its own index, and the rows are merged: what others have is not even looked at. Of many it is not
// worth it.
func (q *keyset) within(scope Scope, own, all string) {
	if q.index = all; own != "" && 0 < len(scope) && len(scope) <= mostBranches {
		q.index = own
		for _, organization := range scope {
			q.branches = append(q.branches, branch{where: "t.organization_id = " + strconv.FormatInt(organization, 10)})
		}
		return
	}
	q.and(scope.in("t.organization_id"))
}

// each narrows the list to rows with one of these values in a column that the index has behind the organisation.
func (q *keyset) each(column string, values []string) {
	var all []branch
	for _, b := range q.branches {
		for _, v := range values {
			all = append(all, branch{b.where + " AND " + column + " = ?", append(slices.Clone(b.args), v)})
		}
	}
	q.branches = all
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
	inOrder := fmt.Sprintf(" ORDER BY t.%s %[3]s, t.%[2]s %[3]s", q.time, q.id, order)
	parts := make([]string, max(1, len(q.branches)))
	for i := range parts {
		where := q.where
		if args = append(args, q.args...); i < len(q.branches) {
			where, args = append(slices.Clone(where), q.branches[i].where), append(args, q.branches[i].args...)
		}
		parts[i] = fmt.Sprintf("SELECT %s FROM %s t%s%s WHERE %s", q.columns, q.table, hint, q.join, strings.Join(where, " AND "))
	}
	if text = parts[0]; len(parts) > 1 {
		if q.d.postgres() { // SQLite merges parts as they come; PostgreSQL reads and sorts the whole of one that has no end
			for i, part := range parts {
				parts[i] = fmt.Sprintf("SELECT * FROM (%s%s LIMIT %d) part%d", part, inOrder, p.Limit+1+p.Offset, i)
			}
		}
		text = "SELECT * FROM (" + strings.Join(parts, " UNION ALL ") + ") t"
	}
	return text + inOrder + " LIMIT ? OFFSET ?", append(args, p.Limit+1, p.Offset)
}
