package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// HourFigure is how many sessions began in an hour, or in a day.
type HourFigure struct {
	Time     time.Time
	Sessions int64
}

// DayFigure is what the sessions that began on a day, in one place, have carried. Location is 0 for no place.
type DayFigure struct {
	Day                       time.Time
	Location                  int64
	Sessions                  int64
	InputOctets, OutputOctets int64
}

// UserFigure is how many different users began a session on a day. One who did in two organisations counts in both.
type UserFigure struct {
	Day   time.Time
	Users int64
}

// StatisticsFilter says what is counted.
type StatisticsFilter struct {
	From, To time.Time // From inclusive, To not; both whole days, UTC
	Exact    bool      // count the sessions now, instead of the figures that are kept of them
}

// Stale tells whether sessions of the scope have changed whose figures are not made anew yet.
func (s *Store) Stale(ctx context.Context, scope Scope, f StatisticsFilter) (stale bool, err error) {
	q := "SELECT EXISTS (SELECT 1 FROM rollup_dirty WHERE " + scope.in("organization_id") + " AND day >= ? AND day < ?)"
	err = s.figures().QueryRowContext(ctx, q, micros(f.From)/dayLength, micros(f.To)/dayLength).Scan(&stale)
	return stale, s.err("looking for what has changed", err)
}

// SessionFigures are the sessions by hour, or by day when daily.
func (s *Store) SessionFigures(ctx context.Context, scope Scope, f StatisticsFilter, daily bool) (list []HourFigure, err error) {
	length, hours := int64(hourLength), int64(1)
	if daily {
		length, hours = dayLength, 24
	}
	if f.Exact {
		list, err = countHours(ctx, s.figures(), s.d, scope, micros(f.From), micros(f.To), length)
		return list, s.err("counting sessions", err)
	}
	at := fmt.Sprintf("hour / %d", hours)
	rows, err := s.figures().QueryContext(ctx, "SELECT "+at+", CAST(sum(sessions) AS BIGINT) FROM rollup_hours WHERE "+
		scope.in("organization_id")+" AND hour >= ? AND hour < ? GROUP BY "+at+" ORDER BY "+at,
		micros(f.From)/hourLength, micros(f.To)/hourLength)
	list, err = collect(rows, err, func(row scanner) (h HourFigure, err error) {
		var n int64
		err = row.Scan(&n, &h.Sessions)
		h.Time = time.UnixMicro(n * length).UTC()
		return h, err
	})
	return list, s.err("reading figures", err)
}

// TrafficFigures are sessions and octets by day and place.
func (s *Store) TrafficFigures(ctx context.Context, scope Scope, f StatisticsFilter) (list []DayFigure, err error) {
	if f.Exact {
		list, err = countDays(ctx, s.figures(), s.d, scope, micros(f.From), micros(f.To))
		return list, s.err("counting octets", err)
	}
	// Places belong to one organisation; what was nowhere may be several's, and is added up by the reader.
	rows, err := s.figures().QueryContext(ctx, "SELECT day, location_id, sessions, input_octets, output_octets FROM rollup_days WHERE "+
		scope.in("organization_id")+" AND day >= ? AND day < ? ORDER BY day, location_id, organization_id",
		micros(f.From)/dayLength, micros(f.To)/dayLength)
	list, err = collect(rows, err, func(row scanner) (d DayFigure, err error) {
		var day int64
		err = row.Scan(&day, &d.Location, &d.Sessions, &d.InputOctets, &d.OutputOctets)
		d.Day = time.UnixMicro(day * dayLength).UTC()
		return d, err
	})
	return addUp(list), s.err("reading figures", err)
}

// SumTraffic adds figures up, by location or else by day.
func SumTraffic(list []DayFigure, byLocation bool) []DayFigure {
	for i := range list {
		if byLocation {
			list[i].Day = time.Time{}
		} else {
			list[i].Location = 0
		}
	}
	slices.SortStableFunc(list, func(a, b DayFigure) int { return cmp.Or(a.Day.Compare(b.Day), cmp.Compare(a.Location, b.Location)) })
	return addUp(list)
}

// addUp makes one figure of those that follow one another with the same day and place.
func addUp(list []DayFigure) []DayFigure {
	sum := list[:0]
	for _, d := range list {
		if n := len(sum); n > 0 && sum[n-1].Day.Equal(d.Day) && sum[n-1].Location == d.Location {
			last := &sum[n-1]
			last.Sessions += d.Sessions
			last.InputOctets, last.OutputOctets = saturated(last.InputOctets, d.InputOctets), saturated(last.OutputOctets, d.OutputOctets)
			continue
		}
		sum = append(sum, d)
	}
	return sum
}

func saturated(a, b int64) int64 { return joined(a>>20+b>>20, a&(1<<20-1)+b&(1<<20-1)) }

// UserFigures are the different users by day.
func (s *Store) UserFigures(ctx context.Context, scope Scope, f StatisticsFilter) (list []UserFigure, err error) {
	from, to := micros(f.From)/dayLength, micros(f.To)/dayLength
	query, args := "SELECT day, CAST(sum(users) AS BIGINT) FROM rollup_users WHERE "+scope.in("organization_id")+
		" AND day >= ? AND day < ? GROUP BY day ORDER BY day", []any{from, to}
	if f.Exact {
		day := fmt.Sprintf("acctstarttime / %d", int64(dayLength))
		inner := sessionsBetween(s.d, scope, day+" AS day, count(DISTINCT coalesce(CAST(user_id AS TEXT), '/' || username)) AS users",
			"GROUP BY "+day+", organization_id")
		query, args = "SELECT day, CAST(sum(users) AS BIGINT) FROM ("+inner+") AS u GROUP BY day ORDER BY day", []any{micros(f.From), micros(f.To)}
	}
	rows, err := s.figures().QueryContext(ctx, query, args...)
	list, err = collect(rows, err, func(row scanner) (u UserFigure, err error) {
		var n int64
		err = row.Scan(&n, &u.Users)
		u.Day = time.UnixMicro(n * dayLength).UTC()
		return u, err
	})
	return list, s.err("counting users", err)
}
