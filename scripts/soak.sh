#!/usr/bin/env bash
# make soak: what make test has only in part, for long. Every package whose tests look at GATEHOUSE_SOAK, by themselves or by what
# they import, is tested with it set (lab/oldkernel does all of its suites then); then every fuzz target of the repository runs.
# Goes on after a failure, and tells all of them at the end.
#
# DURATION is how long each random run lasts (10m), FUZZTIME how long each fuzz target (30s).
set -euo pipefail
cd -P "$(dirname "$0")/.."

export DURATION=${DURATION:-10m} GATEHOUSE_SOAK=1
FUZZTIME=${FUZZTIME:-30s}
for time in "$DURATION" "$FUZZTIME"; do
	[[ $time =~ ^([0-9]+)([smh])$ ]] || { echo "soak: $time is no time: write a whole number and s, m or h, as in 10m" >&2; exit 2; }
done
unit=1
case $DURATION in *m) unit=60 ;; *h) unit=3600 ;; esac
limit=$((3600 + 10 * ${DURATION%?} * unit))s # for all tests of a package, some of which last for DURATION

failed=()
run() {
	echo "== $*"
	"$@" || failed+=("$*")
}

# The lab itself only passes on what it is told.
lookers=$(grep -rlE 'GATEHOUSE_SOAK|lab\.Soak' --include='*.go' . | xargs -n1 dirname | sort -u | grep -vxF ./lab | xargs go list)
tested=$(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}} {{join .TestImports " "}} {{join .XTestImports " "}}{{end}}' ./... |
	while read -r package imports; do
		for one in $package $imports; do
			if grep -qxF -- "$one" <<<"$lookers"; then
				echo "$package"
				break
			fi
		done
	done)
[ -n "$tested" ] || { echo "soak: no test looks at GATEHOUSE_SOAK" >&2; exit 1; }
for package in $tested; do # one after the other: they measure real time
	run go test -count=1 -v -timeout "$limit" "$package"
	case $package in
	*/central | */central/*) run env GATEHOUSE_STORE=postgres go test -count=1 -v -timeout "$limit" "$package" ;;
	esac
done

targets=$(grep -roE '^func Fuzz\w+' --include='*_test.go' . | sort)
[ -n "$targets" ] || { echo "soak: there is no fuzz target" >&2; exit 1; }
while IFS=: read -r file target; do
	run go test -run '^$' -fuzz "^${target#func }\$" -fuzztime "$FUZZTIME" "$(dirname "$file")"
done <<<"$targets"

if [ ${#failed[@]} -gt 0 ]; then
	echo "soak: failed:" >&2
	printf '  %s\n' "${failed[@]}" >&2
	exit 1
fi
