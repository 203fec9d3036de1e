#!/bin/sh
# Makes the go.mod that the gateway is built with and prints its path. It differs in one line: SQLite comes from a copy of its driver
# without full text search, R-trees, RBU, tables about its own pages and the table for loadable extensions (decision 0042). None of
# our queries needs them, and C leaves them out by options; the driver is C translated with all of them, in tables of functions
# that the linker must keep. The copy is links to the driver's files, but for those that fill the tables.
set -eu
cd "$(dirname "$0")/.."
GO=${GO:-go}
name=sqlite-$(cat go.mod go.sum scripts/sqlite.sh | cksum | cut -d' ' -f1)
if ! [ -d "bin/$name" ]; then
	driver=$($GO list -f '{{.Module.Dir}}' modernc.org/sqlite)
	mkdir -p bin
	new=$(mktemp -d bin/new-XXXXXX)
	trap 'rm -rf "$new"' EXIT
	chmod 755 "$new"
	mkdir "$new/lib"
	ln -s "$driver"/*.go "$driver/vtab" "$new"
	ln -s "$driver"/lib/*.go "$new/lib"
	cp "$driver/go.mod" "$new"
	grep -l '&_sqlite3BuiltinExtensions)' "$driver"/lib/*.go | while read -r file; do
		rm "$new/lib/$(basename "$file")"
		sed -E '
			s/__ccgo_fp\(_sqlite3(Fts5Init|RtreeInit|DbpageRegister|DbstatRegister)\)$/__ccgo_fp(_sqlite3TestExtInit)/
			/^func init\(\)/,/^}/s/^\t\*\(\*uintptr\).* = __ccgo_fp\(_(fts5|rtree|geopoly|rbu|dbpage)[A-Za-z0-9_]*\)$/\t_ = p/
			/&_dbstat_module\)/,/^}/s/^\t\*\(\*uintptr\).*/\t_ = p/
			/&_sqlite3Apis\)/,/^}/s/^\t\*\(\*uintptr\).*/\t_ = p/
		' "$file" >"$new/lib/$(basename "$file")"
	done
	cp go.sum "$new/gateway.sum"
	cp go.mod "$new/gateway.mod"
	$GO mod edit -replace "modernc.org/sqlite=./bin/$name" "$new/gateway.mod"
	mv -T "$new" "bin/$name" 2>/dev/null || [ -d "bin/$name" ] # another build was faster
fi
echo "bin/$name/gateway.mod"
