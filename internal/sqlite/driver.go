package sqlite

import (
	"database/sql"
	"errors"
	"net/url"
	"strconv"

	modernc "modernc.org/sqlite"
)

// role is what a pool's connections may do.
type role int

const (
	writes   role = iota
	reads         // no statement that changes rows; may checkpoint
	inspects      // cannot write the file at all
)

// pool opens a pool of at most conns connections. Every pragma is in the data source name, so that each connection of the
// pool has it from its first statement on.
func pool(path string, r role, o Options, conns int) (*sql.DB, error) {
	q := url.Values{"mode": {"rw"}, "_txlock": {"immediate"}, "_error_rc": {"1"}, "_dqs": {"0"}}
	q["_pragma"] = []string{
		"busy_timeout(" + strconv.FormatInt(busyTimeout.Milliseconds(), 10) + ")",
		"cache_size(-" + strconv.Itoa(o.CacheKiB) + ")",
		"foreign_keys(1)",
		"journal_size_limit(" + strconv.Itoa(walLimit) + ")",
		"mmap_size(0)",
		"synchronous(" + string(o.Synchronous) + ")",
		"wal_autocheckpoint(" + strconv.Itoa(walPages) + ")",
	}
	switch r {
	case writes:
		q["_pragma"] = append(q["_pragma"], "journal_mode(WAL)")
	case reads:
		q["_pragma"] = append(q["_pragma"], "query_only(1)")
	case inspects:
		q.Set("mode", "ro")
	}
	c, err := modernc.NewConnector("file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode())
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// resultCode is SQLite's extended result code in err.
func resultCode(err error) (code int, ok bool) {
	var e *modernc.Error
	if !errors.As(err, &e) {
		return 0, false
	}
	return e.Code(), true
}
