//go:build mips || mipsle || mips64 || mips64le

package sqlite

import (
	"database/sql"
	"errors"
	"net/url"
	"strings"

	ncruces "github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"
	"golang.org/x/sys/unix"
)

// readersApart tells that queries have connections of their own. Here one connection does everything and keeps the file
// locked, so that the log's index lies in this process's memory instead of a file that all connections map: JFFS2, which
// routers with NOR flash have, cannot map a file for writing, and a processor whose caches alias (24K, 74K) refuses a
// mapping at the address that this driver wants unless it falls on the right page.
const readersApart = false

// pool opens a pool of at most conns connections, each set to its pragmas before its first statement.
func pool(path string, r role, o Options, conns int) (*sql.DB, error) {
	setUp := "PRAGMA " + strings.Join(settings(r, o), "; PRAGMA ")
	// modeof: the log is as closed to others as the file is. SQLite takes + for what it is.
	name := "file:" + (&url.URL{Path: path}).EscapedPath() + "?mode=rw&_txlock=immediate&modeof=" +
		strings.ReplaceAll(url.QueryEscape(path), "+", "%20")
	db, err := driver.Open(name, func(c *ncruces.Conn) error {
		if r == inspects { // what cannot write the file cannot lock it for itself either
			if _, err := c.Config(ncruces.DBCONFIG_NO_CKPT_ON_CLOSE, true); err != nil {
				return err
			}
		}
		return c.Exec(setUp)
	})
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// resultCode is SQLite's extended result code in err.
func resultCode(err error) (code int, ok bool) {
	var c ncruces.ExtendedErrorCode
	if !errors.As(err, &c) {
		return 0, false
	}
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) { // the driver calls a full disk an input/output error
		return codeFull, true
	}
	return int(c), true
}
