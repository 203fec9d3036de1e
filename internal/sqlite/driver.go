package sqlite

import "strconv"

// role is what a pool's connections may do.
type role int

const (
	writes   role = iota
	reads         // no statement that changes rows; may checkpoint
	inspects      // leaves the file and its log as they are
)

// settings are the pragmas that a connection runs before its first statement, in this order: how the file is locked is
// settled before the first look into it.
func settings(r role, o Options) []string {
	all := []string{"busy_timeout(" + strconv.FormatInt(busyTimeout.Milliseconds(), 10) + ")"}
	if !readersApart {
		all = append(all, "locking_mode(EXCLUSIVE)")
	}
	all = append(all,
		"cache_size(-"+strconv.Itoa(o.CacheKiB)+")",
		"foreign_keys(1)",
		"journal_size_limit("+strconv.Itoa(walLimit)+")",
		"mmap_size(0)",
		"synchronous("+string(o.Synchronous)+")",
		"wal_autocheckpoint("+strconv.Itoa(walPages)+")",
	)
	if r == writes {
		return append(all, "journal_mode(WAL)")
	}
	return append(all, "query_only(1)")
}
