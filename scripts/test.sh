#!/usr/bin/env bash
# make test: lint, every test of the repository, and what must be true afterwards. With CI set no test may be skipped, and the
# kernel, browser and database tests of testdata/must-run.txt must have run. UPDATE=1 writes that list anew.
set -euo pipefail
cd -P "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree() { if git rev-parse --git-dir >/dev/null 2>&1; then git status --porcelain; fi; }
tree >"$work/before"

echo "== lint"
scripts/lint.sh

echo "== tests"
# Tests that need a kernel or a browser (lab.Require...) measure real time; the race detector would slow them down tenfold, and
# another package beside them would take their processor.
lab=$(grep -rlE 'lab\.(Require|Main\()' --include='*_test.go' . | xargs -r -n1 dirname | sort -u)
plain=() race=()
for dir in $(go list -f '{{.Dir}}' ./...); do
	package=".${dir#"$PWD"}"
	if [ "$package" = ./lab/oldkernel ] || [ "$package" = ./cmd/gatehouse ] || [ "$package" = ./central ]; then continue; fi
	if grep -qxF -- "$package" <<<"$lab"; then plain+=("$package"); else race+=("$package"); fi
done

go build -C tools -o "$work/testreport" ./testreport
export GATEHOUSE_RAN_FILE="$work/ran"
: >"$GATEHOUSE_RAN_FILE"
run() {
	local failed=0
	go -C tools test -json -shuffle=on ./... || failed=1
	go test -json -shuffle=on -race -p 2 -timeout 10m "${race[@]}" || failed=1
	if [ ${#plain[@]} -gt 0 ]; then go test -json -shuffle=on -p 1 -timeout 15m "${plain[@]}" || failed=1; fi
	# The gateway as a whole has the database drivers that it is built with.
	go test -json -shuffle=on -modfile="$(scripts/sqlite.sh)" -timeout 15m ./cmd/gatehouse || failed=1
	# What the centre stores it stores in either database: side by side, for each waits for its database half of the time.
	go test -json -count=1 -shuffle=on -timeout 15m ./central >"$work/central" &
	GATEHOUSE_STORE=postgres go test -json -count=1 -shuffle=on -p 1 -timeout 15m ./central/... | sed 's|"Package":"gatehouse/central|"Package":"postgres:gatehouse/central|' || failed=1
	wait $! || failed=1
	cat "$work/central"
	# An emulated computer takes all the processors there are; who measures time must not run beside it.
	go test -json -timeout 30m ./lab/oldkernel || failed=1
	return $failed
}
run 2>"$work/stderr" | "$work/testreport" -budgets docs/testing.md -ran "$GATEHOUSE_RAN_FILE" -must testdata/must-run.txt \
	${CI:+-strict} ${UPDATE:+-update} || { cat "$work/stderr" >&2; exit 1; }

tree >"$work/after"
if ! diff "$work/before" "$work/after" >&2; then
	echo "test: the tests have left something in the work tree" >&2
	exit 1
fi
