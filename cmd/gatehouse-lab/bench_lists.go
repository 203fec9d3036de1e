package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"gatehouse/api/admin"
	"gatehouse/api/edge"
	"gatehouse/api/gate"
	"gatehouse/central/store"
	"gatehouse/lab/postgres"
)

// The size of what is listed: so many sessions and as many transactions, over so many months, organisations and places.
const (
	listRows          = 5_000_000
	listMonths        = 6
	listOrganizations = 50
	listLocations     = 500
	listAccessPoints  = 5000
	listUsers         = 100_000
	listBudget        = 20 * time.Millisecond
	listRepeats       = 300
	mixedRate         = 200 // requests a second
	mixedTime         = 20 * time.Second
	mixedRecords      = 2000 // records a second that are merged meanwhile
)

// benchLists fills PostgreSQL and asks for lists through HTTP: first pages, deep ones, with filters, and many at once while
// gateways send.
func benchLists(ctx context.Context, p programs, r *report) (err error) {
	db, err := postgres.StartIn(onDisk, append(settings(), "maintenance_work_mem=1GB")...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	c, err := startCentre(ctx, p, db.URL("postgres"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	fleet, err := c.tenant(ctx, "fleet", "admin")
	if err != nil {
		return err
	}
	for n := 1; n <= listOrganizations; n++ {
		if _, err := c.verb(ctx, "org", "create", "--short-name", fmt.Sprintf("org%d", n), "--name", "Org", "--parent", "fleet"); err != nil {
			return err
		}
	}
	tokens, err := c.tokens(ctx, "org1", "admin", "edge")
	if err != nil {
		return err
	}
	begun := time.Now()
	if err := fill(ctx, db); err != nil {
		return err
	}
	r.print(figure{what: fmt.Sprintf("(%d sessions and %d transactions written)", listRows, listRows), got: time.Since(begun).Round(time.Second).String()})
	q := &asker{url: c.url, token: tokens["admin"]}
	all := &asker{url: c.url, token: fleet["admin"]}
	if err := errors.Join(benchPages(ctx, q, r, "one organisation", pages()), benchPages(ctx, all, r, "all organisations", pages()[:3])); err != nil {
		return err
	}
	if err := benchMixed(ctx, q, tokens["edge"], r); err != nil {
		return err
	}
	return benchDashboards(ctx, db, map[string]*asker{"one organisation": q, "all organisations": all}, r)
}

// benchDashboards asks for the figures of thirty days, counted from the sessions and as they were rolled up.
func benchDashboards(ctx context.Context, db *postgres.Server, askers map[string]*asker, r *report) error {
	conn, err := pgx.Connect(ctx, db.URL("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	const mark = `INSERT INTO rollup_dirty (organization_id, day)
		SELECT o.id, d FROM organizations o, generate_series($1::bigint - 31, $1::bigint + 1) d`
	begun := time.Now()
	if _, err := conn.Exec(ctx, mark, begun.Unix()/86400); err != nil {
		return err
	}
	for waiting := 1; waiting > 0; {
		if err := conn.QueryRow(ctx, "SELECT count(*) FROM rollup_dirty").Scan(&waiting); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	r.print(figure{what: fmt.Sprintf("(33 days of %d organisations rolled up)", listOrganizations), got: time.Since(begun).Round(time.Second).String()})
	for _, board := range []struct{ name, path string }{
		{"sessions an hour", "/sessions/?interval=hour"}, {"octets by location", "/traffic/?"}, {"users a day", "/users/?"},
	} {
		for whose, q := range askers {
			var p50, p99 [2]time.Duration
			for i, exact := range []string{"true", "false"} {
				var took []time.Duration
				for range 30 {
					_, one, err := q.get(ctx, q.url+admin.BasePath+"/statistics"+board.path+"&exact="+exact)
					if err != nil {
						return err
					}
					took = append(took, one)
				}
				p50[i], p99[i] = quantile(took, 0.5), quantile(took, 0.99)
			}
			r.print(figure{what: "30 days of " + board.name + ", " + whose + ": counted / rolled up, p50 (p99)",
				got: fmt.Sprintf("%s (%s) / %s (%s)", ms(p50[0]), ms(p99[0]), ms(p50[1]), ms(p99[1]))})
		}
	}
	return nil
}

// fill writes rows as gateways' records would have become them, by one statement a month; records make the partitions.
func fill(ctx context.Context, db *postgres.Server) error {
	s, err := store.Open(ctx, store.Config{URL: db.URL("postgres")})
	if err != nil {
		return err
	}
	defer s.Close()
	first := time.Now().UTC().AddDate(0, -listMonths+1, 0)
	var months []time.Time
	for n := range listMonths {
		month := time.Date(first.Year(), first.Month()+time.Month(n), 1, 0, 0, 0, 0, time.UTC)
		r := loadRecord("gw", n, 2)
		r.Accounting.AcctStartTime, r.Accounting.AcctUniqueID = month, fmt.Sprintf("first-%d", n)
		t := edge.Record{Transaction: &edge.Transaction{ID: fmt.Sprintf("first-%d", n), DateTime: month, Type: "ui", Status: "h200"}}
		if _, err := s.Ingest(ctx, store.Scope{2}, []edge.Record{r, t}); err != nil {
			return err
		}
		months = append(months, month)
	}
	indexes, err := dropIndexes(ctx, db)
	if err != nil {
		return err
	}
	for n, month := range months {
		for _, statement := range []string{fillAccounting, fillTransactions} {
			text := fmt.Sprintf(statement, month.UnixMicro(), 28*24*3600*1_000_000/(listRows/listMonths), listRows/listMonths, n*(listRows/listMonths))
			if err := db.Run(ctx, text); err != nil {
				return err
			}
		}
	}
	for _, definition := range indexes {
		if err := db.Run(ctx, definition); err != nil {
			return err
		}
	}
	return db.Run(ctx, "ANALYZE")
}

// dropIndexes takes the indexes away and returns how to make them again: that is quicker than to keep them while rows come.
func dropIndexes(ctx context.Context, db *postgres.Server) (definitions []string, err error) {
	conn, err := pgx.Connect(ctx, db.URL("postgres"))
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, "SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN ('aaa_accounting', 'txlog_portal')")
	if err != nil {
		return nil, err
	}
	drop := make(map[string]string)
	var name, definition string
	if _, err := pgx.ForEachRow(rows, []any{&name, &definition}, func() error { drop[name] = definition; return nil }); err != nil {
		return nil, err
	}
	for name, definition := range drop {
		if _, err := conn.Exec(ctx, "DROP INDEX "+name); err != nil {
			return nil, err
		}
		// As pg_indexes has it, the index is of the parent alone.
		definitions = append(definitions, strings.Replace(definition, " ON ONLY ", " ON ", 1))
	}
	return definitions, nil
}

// The nth row begins %[2]d µs after the one before it, in a month that begins at %[1]d; %[4]d rows were before the month's.
const fillAccounting = `INSERT INTO aaa_accounting (radacctid, organization_id, acctuniqueid, acctstarttime, acctsessionid, username, user_id,
	nasipaddress, nasidentifier, acctupdatetime, acctstoptime, acctinterval, acctsessiontime, acctinputoctets, acctoutputoctets,
	acctinputpackets, acctoutputpackets, callingstationid, acctterminatecause, location_id, access_point_id, ssid)
SELECT ((t / 1000000 - 1577836800) << 22) + n %% 4194304, 2 + n * 7919::bigint %% 50, md5((n + %[4]d)::text), t, md5(n::text), 'user' || n * 104729::bigint %% 100000,
	1 + n * 104729::bigint %% 100000, '192.0.2.1', 'gw' || n %% 5000, t + 300000000, CASE WHEN n %% 1000 = 0 THEN NULL ELSE t + 600000000 END, 300, 600,
	n %% 1000000, n %% 9000000, 1000, 9000, '02-00-5E-00-00-01', 'User-Request', 1 + n * 7919::bigint %% 500, 1 + n * 7919::bigint %% 5000, 'guests'
FROM (SELECT n, %[1]d + n * %[2]d::bigint AS t FROM generate_series(1, %[3]d) n) x`

const fillTransactions = `INSERT INTO txlog_portal (id, organization_id, edge_id, datetime, type, status, message, user_id, username, location_id,
	access_point_id, ssid, remote_ip, mac)
SELECT ((t / 1000000 - 1577836800) << 22) + n %% 4194304, 2 + n * 7919::bigint %% 50, md5((n + %[4]d)::text), t,
	(ARRAY['ui', 'uo', 'st', 'di'])[1 + n %% 4], 'h200', 'Login', 1 + n * 104729::bigint %% 100000, 'user' || n * 104729::bigint %% 100000,
	1 + n * 7919::bigint %% 500, 1 + n * 7919::bigint %% 5000, 'guests', '10.0.0.7', '02:00:5e:00:00:01'
FROM (SELECT n, %[1]d + n * %[2]d::bigint AS t FROM generate_series(1, %[3]d) n) x`

// asker asks for pages.
type asker struct{ url, token string }

func (q *asker) get(ctx context.Context, address string) (next string, took time.Duration, err error) {
	if !strings.HasPrefix(address, "http") {
		address = q.url + gate.BasePath + address
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", 0, err
	}
	req.Header.Set("Authorization", "Bearer "+q.token)
	begun := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	took = time.Since(begun)
	if err != nil || resp.StatusCode != http.StatusOK {
		return "", took, fmt.Errorf("%s: status %d, %w: %.300s", address, resp.StatusCode, err, body)
	}
	var page struct {
		Next    *string
		Results []json.RawMessage
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return "", took, err
	}
	if len(page.Results) == 0 {
		return "", took, fmt.Errorf("%s: no results", address)
	}
	if page.Next != nil {
		next = *page.Next
	}
	return next, took, nil
}

// listKind is a kind of list.
type listKind struct{ name, path string }

// pages are the kinds of lists that are asked for.
func pages() []listKind {
	month := time.Now().UTC().AddDate(0, -2, 0).Format("2006-01") + "-01"
	end := url.QueryEscape(time.Now().UTC().AddDate(0, -1, 0).Format("2006-01") + "-01T00:00:00Z")
	return []listKind{
		{"accounting", "/aaa_accounting/?limit=100"},
		{"accounting, active", "/aaa_accounting/?limit=100&session_status=active"},
		{"accounting, one month", "/aaa_accounting/?limit=100&start_date=" + month + "&end_date=" + end},
		{"accounting, location", "/aaa_accounting/?limit=100&location=201"},
		{"accounting, access point and month", "/aaa_accounting/?limit=100&access_point=2201&start_date=" + month + "&end_date=" + end},
		{"transactions", "/txlog_portal/?limit=100"},
		{"transactions, two types", "/txlog_portal/?limit=100&type=ui,uo"},
		{"transactions, location", "/txlog_portal/?limit=100&location=201"},
	}
}

func benchPages(ctx context.Context, q *asker, r *report, whose string, kinds []listKind) error {
	for _, page := range kinds {
		var first, deep []time.Duration
		next := page.path
		for range listRepeats {
			_, took, err := q.get(ctx, page.path)
			if err != nil {
				return err
			}
			first = append(first, took)
			following, took, err := q.get(ctx, next) // one page deeper each time
			if err != nil {
				return err
			}
			deep = append(deep, took)
			if next = following; next == "" {
				next = page.path
			}
		}
		a, b := quantile(first, 0.99), quantile(deep, 0.99)
		r.print(figure{"list of 100 from 5 M, " + whose + ", " + page.name + ": first / deep, p99", fmt.Sprintf("%s / %s (p50 %s / %s)", ms(a), ms(b),
			ms(quantile(first, 0.5)), ms(quantile(deep, 0.5))), "≤ 20 ms", a <= listBudget && b <= listBudget})
	}
	return nil
}

// benchMixed asks at a steady rate, whether answers come or not, while a gateway sends.
func benchMixed(ctx context.Context, q *asker, token string, r *report) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	sending := make(chan error, 1)
	go func() {
		g := &edgeLoad{url: q.url, token: token, name: "gw", number: 9, batch: 100}
		tick := time.NewTicker(time.Second * 100 / mixedRecords)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				sending <- nil
				return
			case <-tick.C:
				if err := g.send(ctx); err != nil && ctx.Err() == nil {
					sending <- err
					return
				}
			}
		}
	}()
	kinds := pages()
	took := make([]time.Duration, int(mixedTime.Seconds()*mixedRate))
	var asks errgroup.Group
	tick := time.NewTicker(time.Second / mixedRate)
	defer tick.Stop()
	for i := range took {
		due := <-tick.C
		asks.Go(func() error {
			_, _, err := q.get(ctx, kinds[i%len(kinds)].path)
			took[i] = time.Since(due)
			return err
		})
	}
	err := asks.Wait()
	stop()
	if err := errors.Join(err, <-sending); err != nil {
		return err
	}
	p99 := quantile(took, 0.99)
	r.print(figure{fmt.Sprintf("%d lists/s while %d records/s are merged: p50 / p99", mixedRate, mixedRecords),
		ms(quantile(took, 0.5)) + " / " + ms(p99), "p99 ≤ 50 ms", p99 <= 50*time.Millisecond})
	return nil
}
