//go:build !(mips || mipsle || mips64 || mips64le)

package sqlite

import (
	"database/sql"
	"errors"
	"net/url"

	modernc "modernc.org/sqlite"
)

// readersApart tells that queries have connections of their own and go on while something is written.
const readersApart = true

// pool opens a pool of at most conns connections. Every pragma is in the data source name, so that each connection of the
// pool has it from its first statement on.
func pool(path string, r role, o Options, conns int) (*sql.DB, error) {
	q := url.Values{"mode": {"rw"}, "_txlock": {"immediate"}, "_error_rc": {"1"}, "_dqs": {"0"}, "_pragma": settings(r, o)}
	if r == inspects {
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
