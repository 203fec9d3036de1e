package store

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	postgresConns  = 16
	connectTimeout = 5 * time.Second
	idleTime       = 5 * time.Minute // after which a connection that nobody uses is closed
	writeTries     = 8
	feedChannel    = "gatehouse_changes" // NOTIFY
	feedPoll       = 5 * time.Second     // when no notification came, and how soon a lost connection is made anew
)

// The keys of PostgreSQL's advisory locks: anything that nobody else is likely to use.
const (
	migrateKey   = 0x67617465_00000001
	feedKey      = 0x67617465_00000002
	partitionKey = 0x67617465_00000003
)

// postgresEngine is a database server that any number of processes may share.
type postgresEngine struct {
	postgresDialect
	db      *sql.DB
	lists   *sql.DB // of the replica, where there is one, as is reports
	reports *sql.DB // may be db

	mu     sync.Mutex
	months map[month]bool // whose partitions are known to be there
}

// openPostgres opens the database at address; replicaAddress, when not empty, is where lists are read.
func openPostgres(ctx context.Context, address, replicaAddress string, create bool) (*postgresEngine, error) {
	db, err := postgresPool(address, nil)
	if err != nil {
		return nil, err
	}
	e := &postgresEngine{db: db, months: make(map[month]bool)}
	if e.lists, err = postgresPool(cmp.Or(replicaAddress, address), listParams()); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	e.reports = db
	if replicaAddress != "" {
		if e.reports, err = postgresPool(replicaAddress, nil); err != nil {
			return nil, errors.Join(err, db.Close(), e.lists.Close())
		}
	}
	if err := e.migrate(ctx, create); err != nil {
		return nil, errors.Join(fmt.Errorf("opening database: %w", e.meaning(err)), e.close())
	}
	return e, nil
}

// listParams make a list come out of an index in its order, which is what the indexes are for. The planner cannot know that
// a place belongs to one organisation; it expects a handful of rows and sorts ten thousand.
func listParams() map[string]string {
	return map[string]string{"enable_sort": "off", "enable_bitmapscan": "off"}
}

// postgresPool is a pool of connections with these parameters. What the address says itself wins.
func postgresPool(address string, params map[string]string) (*sql.DB, error) {
	cfg, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, fmt.Errorf("reading the database's URL: %w", hideSecret(address, err))
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectTimeout
	}
	all := map[string]string{
		"application_name": "gatehouse-central",
		"timezone":         "UTC",
		// Each list has its own filters and place: a plan for all of them would be one for none.
		"plan_cache_mode": "force_custom_plan",
		// Compiling a query takes longer than any of ours.
		"jit": "off",
	}
	maps.Copy(all, params)
	maps.Copy(all, cfg.RuntimeParams)
	cfg.RuntimeParams = all
	db := stdlib.OpenDB(*cfg)
	db.SetMaxOpenConns(postgresConns)
	db.SetMaxIdleConns(postgresConns)
	db.SetConnMaxIdleTime(idleTime)
	return db, nil
}

// hideSecret takes the password out of an error about a URL.
func hideSecret(address string, err error) error {
	u, parseErr := url.Parse(address)
	if parseErr != nil {
		return errors.New("it is not a URL of the form postgres://user:password@host/database")
	}
	if password, ok := u.User.Password(); ok {
		return errors.New(strings.ReplaceAll(err.Error(), password, "xxxxx"))
	}
	return err
}

func (e *postgresEngine) reader() *sql.DB  { return e.db }
func (e *postgresEngine) lister() *sql.DB  { return e.lists }
func (e *postgresEngine) counter() *sql.DB { return e.reports }

func (e *postgresEngine) close() error { // closing one twice does nothing
	return errors.Join(e.db.Close(), e.lists.Close(), e.reports.Close())
}

// write tries again what failed for somebody else's sake: what could not be serialised, a deadlock, a row that another
// made in the same moment.
func (e *postgresEngine) write(ctx context.Context, fn func(tx *dbTx) error) error {
	for try := 1; ; try++ {
		err := e.writeOnce(ctx, fn)
		if err == nil || try == writeTries || !transient(err) {
			return err
		}
		pause := time.NewTimer(time.Duration(1+rand.IntN(5<<try)) * time.Millisecond)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		}
	}
}

func (e *postgresEngine) writeOnce(ctx context.Context, fn func(tx *dbTx) error) error {
	tx, err := e.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a commit it does nothing
	if err := fn(newTx(ctx, tx, e)); err != nil {
		return err
	}
	return tx.Commit()
}

// transient tells whether a transaction that failed is worth another try. 40: not serialised, deadlock. 23505: a row that
// was not there when we looked, 23503: one that went, or came to hang on ours, since; the next look finds it and says so properly.
func transient(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (strings.HasPrefix(pg.Code, "40") || pg.Code == "23505" || pg.Code == "23503")
}

// meaning: whatever says that the server is not there, has no room or no right to write is ErrUnavailable.
func (e *postgresEngine) meaning(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		away := []string{"08", "40", "53", "57", "58"}              // connection, rollback, resources, shutdown, disk
		if slices.Contains(away, pg.Code[:min(2, len(pg.Code))]) || // or a standby that cannot write
			pg.Code == "25006" || pg.Code == "55P03" {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return err
	}
	var refused *pgconn.ConnectError
	var network net.Error
	if errors.As(err, &refused) || errors.As(err, &network) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) ||
		strings.Contains(err.Error(), "conn closed") {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

func (e *postgresEngine) schemaVersion(ctx context.Context) (version int, err error) {
	err = e.reader().QueryRowContext(ctx, "SELECT version FROM schema_version").Scan(&version)
	return version, err
}

// watch listens for what commits say. It also calls woken every now and then, and at each new connection, because
// notifications are lost while there is none.
func (e *postgresEngine) watch(ctx context.Context, woken func()) error {
	for ctx.Err() == nil {
		_ = e.listen(ctx, woken) // a database that is away is told by the requests that need it
		woken()
		pause := time.NewTimer(feedPoll)
		select {
		case <-ctx.Done():
			pause.Stop()
		case <-pause.C:
		}
	}
	return nil
}

func (e *postgresEngine) listen(ctx context.Context, woken func()) error {
	conn, err := e.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(raw any) error {
		c := raw.(*stdlib.Conn).Conn()
		if _, err := c.Exec(ctx, "LISTEN "+feedChannel); err != nil {
			return err
		}
		for {
			woken()
			wait, cancel := context.WithTimeout(ctx, 10*feedPoll)
			_, err := c.WaitForNotification(wait)
			quiet := wait.Err() != nil && ctx.Err() == nil
			cancel()
			if err != nil && !quiet || c.IsClosed() {
				return driver.ErrBadConn // not to be given back to the pool while it listens
			}
		}
	})
}

// postgresDialect makes of this package's SQL PostgreSQL's.
type postgresDialect struct{}

func (postgresDialect) postgres() bool      { return true }
func (postgresDialect) index(string) string { return "" }
func (postgresDialect) feedLock() string {
	return "SELECT pg_advisory_xact_lock(" + strconv.Itoa(feedKey) + "), pg_notify('" + feedChannel + "', '')"
}
func (postgresDialect) greatest(list ...string) string {
	return "greatest(" + strings.Join(list, ", ") + ")"
}
func (postgresDialect) least(list ...string) string { return "least(" + strings.Join(list, ", ") + ")" }
func (postgresDialect) sum(expr string) string {
	return "CAST(least(coalesce(sum(" + expr + "), 0), 9223372036854775807) AS BIGINT)"
}

func (postgresDialect) jsonArray(expr, orderBy string) string {
	return "coalesce(json_agg(" + expr + " ORDER BY " + orderBy + ")::text, '[]')"
}

var placeholder = regexp.MustCompile(`'[^']*'|\?\d*`)

// bind numbers the placeholders. What stands in quotes is left as it is.
func (postgresDialect) bind(query string) string {
	n := 0
	return placeholder.ReplaceAllStringFunc(query, func(m string) string {
		switch {
		case m[0] == '\'':
			return m
		case m == "?":
			n++
			return "$" + strconv.Itoa(n)
		}
		return "$" + m[1:]
	})
}
