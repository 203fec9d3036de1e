#!/bin/sh
# Makes the go.mod that the gateway is built with and prints its path. It differs in two lines: SQLite comes from copies of its drivers
# without what none of our queries needs (decision 0042). The drivers are C translated with full text search, R-trees, decimals and
# more, in tables of functions that the linker must keep; in C these are options. The copies are links, but for the files with the tables.
set -eu
cd "$(dirname "$0")/.."
GO=${GO:-go}
dir=bin/sqlite-$(cat go.mod go.sum scripts/sqlite.sh | cksum | cut -d' ' -f1)
if ! [ -d "$dir" ]; then
	modernc=$($GO list -f '{{.Module.Dir}}' modernc.org/sqlite)
	ncruces=$($GO list -f '{{.Module.Dir}}' github.com/ncruces/go-sqlite3-wasm/v6)
	mkdir -p bin
	new=$(mktemp -d bin/new-XXXXXX)
	trap 'rm -rf "$new"' EXIT
	chmod 755 "$new"
	mkdir -p "$new/modernc/lib" "$new/ncruces"

	# Full text search, R-trees, RBU, tables about the database's own pages, and the table for extensions that are loaded.
	ln -s "$modernc"/*.go "$modernc/vtab" "$new/modernc"
	ln -s "$modernc"/lib/*.go "$new/modernc/lib"
	cp "$modernc/go.mod" "$new/modernc"
	grep -l '&_sqlite3BuiltinExtensions)' "$modernc"/lib/*.go | while read -r file; do
		rm "$new/modernc/lib/$(basename "$file")"
		sed -E '
			s/__ccgo_fp\(_sqlite3(Fts5Init|RtreeInit|DbpageRegister|DbstatRegister)\)$/__ccgo_fp(_sqlite3TestExtInit)/
			/^func init\(\)/,/^}/s/^\t\*\(\*uintptr\).* = __ccgo_fp\(_(fts5|rtree|geopoly|rbu|dbpage)[A-Za-z0-9_]*\)$/\t_ = p/
			/&_dbstat_module\)/,/^}/s/^\t\*\(\*uintptr\).*/\t_ = p/
			/&_sqlite3Apis\)/,/^}/s/^\t\*\(\*uintptr\).*/\t_ = p/
		' "$file" >"$new/modernc/lib/$(basename "$file")"
	done

	# Decimals, parts of floating point numbers, regular expressions and series.
	cp "$ncruces/go.mod" "$ncruces"/libc.go "$ncruces"/sqlite3.dat "$new/ncruces"
	sed -E '/^\tm\.elements = /{
		s/m\._sqlite3_(decimal|ieee|regexp|series)_init\>/m._sqlite3_uint_init/g
		s/\<m\._(decimal|ieee754|re_|series)[A-Za-z0-9_]*/nil/g
	}' "$ncruces/sqlite3.go" >"$new/ncruces/sqlite3.go"

	cp go.sum "$new/gateway.sum"
	cp go.mod "$new/gateway.mod"
	$GO mod edit -replace "modernc.org/sqlite=./$dir/modernc" -replace "github.com/ncruces/go-sqlite3-wasm/v6=./$dir/ncruces" "$new/gateway.mod"
	mv -T "$new" "$dir" 2>/dev/null || [ -d "$dir" ] # another build was faster
fi
echo "$dir/gateway.mod"
