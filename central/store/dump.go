package store

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

const dumpPage = 5000 // rows that are read together

// dumped is a table that can be written to a file, row by row.
type dumped struct {
	table, id, at, columns string
}

func dumps() map[string]dumped {
	return map[string]dumped{
		"users": {"users", "id", "", `t.id, t.organization_id, t.username, t.email, t.first_name, t.last_name, t.external_id, t.klass, t.description,
			t.is_active, t.avatar_url, t.date_joined, t.first_login, t.last_login, t.expiration`},
		"accounting": {"aaa_accounting", "radacctid", "acctstarttime", `t.radacctid, t.organization_id, t.acctsessionid, t.acctuniqueid, t.acctmultisessionid,
			t.username, t.user_id, t.nasipaddress, t.nasidentifier, t.nasportid, t.nasporttype, t.acctstarttime, t.acctupdatetime, t.acctstoptime,
			t.acctsessiontime, t.acctauthentic, t.acctinputoctets, t.acctoutputoctets, t.acctinputpackets, t.acctoutputpackets, t.calledstationid,
			t.callingstationid, t.acctterminatecause, t.servicetype, t.framedipaddress, t.klass, t.location_id, t.location_name,
			t.access_point_id, t.access_point_name, t.ssid`},
		"transactions": {"txlog_portal", "id", "datetime", `t.id, t.organization_id, t.datetime, t.type, t.status, t.message, t.user_id, t.username, t.email,
			t.external_id, t.session_id, t.site, t.page_url, t.action, t.location_id, t.location_name, t.access_point_id, t.access_point_name,
			t.ssid, t.remote_ip, t.mac`},
	}
}

// Dump reads all rows of users, accounting or transactions of the scope between two times (of accounting and transactions; zero: no
// bound), in order of time and number, and calls each for every one. Values are nil, bool, number, text; times are text. Rows
// are read in pages, so those that are added meanwhile may or may not be among them.
func (s *Store) Dump(ctx context.Context, scope Scope, kind string, from, to time.Time, each func(names []string, values []any) error) error {
	d, ok := dumps()[kind]
	if !ok {
		return ErrNotFound
	}
	names := columnNames(d.columns)
	at, id := slices.Index(names, d.at), slices.Index(names, d.id)
	low, high := int64(math.MinInt64), int64(math.MaxInt64)
	if !from.IsZero() {
		low = micros(from)
	}
	if !to.IsZero() {
		high = micros(to)
	}
	for last := int64(math.MinInt64); ; {
		query, args := d.query(scope, low, last, high)
		rows, err := s.lists().QueryContext(ctx, query, args...)
		page, err := collect(rows, err, func(row scanner) ([]any, error) { return rawValues(row, len(names)) })
		if err != nil {
			return s.err("reading "+kind, err)
		}
		for _, raw := range page {
			last, _ = raw[id].(int64)
			if at >= 0 {
				low, _ = raw[at].(int64)
			}
			if err := each(names, shown(raw, names)); err != nil {
				return err
			}
		}
		if len(page) < dumpPage {
			return nil
		}
	}
}

// query reads a page behind the row with the time low and the number last.
func (d dumped) query(scope Scope, low, last, high int64) (string, []any) {
	head := "SELECT " + d.columns + " FROM " + d.table + " t WHERE " + scope.in("t.organization_id")
	limit := fmt.Sprintf(" LIMIT %d", dumpPage)
	if d.at == "" {
		return head + " AND t." + d.id + " > ? ORDER BY t." + d.id + limit, []any{last}
	}
	replace := strings.NewReplacer("@", "t."+d.at, "#", "t."+d.id)
	return head + replace.Replace(" AND @ >= ?1 AND (@ > ?1 OR # > ?2) AND @ < ?3 ORDER BY @, #") + limit, []any{low, last, high}
}

func rawValues(row scanner, n int) ([]any, error) {
	raw := make([]any, n)
	to := make([]any, n)
	for i := range raw {
		to[i] = &raw[i]
	}
	return raw, row.Scan(to...)
}

// timeColumns hold microseconds, truthColumns what SQLite has as numbers.
func timeColumns() []string {
	return []string{"at", "created", "date_joined", "first_login", "last_login", "expiration", "datetime", "acctstarttime", "acctupdatetime", "acctstoptime", "expires"}
}

func truthColumns() []string { return []string{"is_active", "failed", "roaming", "accept_terms"} }

// shown are the values of columns with these names as they are shown to people.
func shown(raw []any, names []string) []any {
	for i, v := range raw {
		switch v := v.(type) {
		case []byte:
			raw[i] = string(v)
		case int64:
			switch {
			case slices.Contains(timeColumns(), names[i]):
				raw[i] = time.UnixMicro(v).UTC().Format(time.RFC3339Nano)
			case slices.Contains(truthColumns(), names[i]):
				raw[i] = v != 0
			}
		}
	}
	return raw
}

// columnNames are those of a list of columns, without their tables.
func columnNames(columns string) []string {
	list := strings.Split(columns, ",")
	for i, c := range list {
		_, list[i], _ = strings.Cut(strings.TrimSpace(c), ".")
	}
	return list
}
