#!/bin/sh
# Everything that can be said about the code without running it. Prints what is wrong and ends with 1 if anything is.
set -eu
cd "$(dirname "$0")/.."
tool="go tool -modfile=tools/go.mod"
status=0
fail() { echo "lint: $*" >&2; status=1; }

unformatted=$(git ls-files -coz --exclude-standard '*.go' | xargs -0 gofmt -l)
[ -z "$unformatted" ] || fail "gofmt -w is needed for:" "$unformatted"

go vet ./... || fail "go vet"
go -C tools vet ./... || fail "go vet in tools"
$tool staticcheck ./... || fail "staticcheck"
(cd tools && go tool staticcheck ./...) || fail "staticcheck in tools"

# The pages must be what templ makes of their sources now, but for the path that templ was called with.
fresh=$(mktemp)
trap 'rm -f "$fresh"' EXIT
without_path() { sed "s#FileName: [^,]*,##" "$1"; }
for source in $(find . -name '*.templ' -not -path './.git/*' | sort); do
	made="${source%.templ}_templ.go"
	if ! $tool templ generate -f "$source" -stdout >"$fresh" 2>&1; then
		cat "$fresh" >&2
		fail "templ: $source"
	elif [ "$(without_path "$fresh")" != "$(without_path "$made")" ]; then
		fail "$made is not made from $source: make generate"
	fi
done

scripts=$(grep -rlE '^#!/bin/(ba)?sh' scripts packaging .ci | sort)
# shellcheck disable=SC2086 # a list of files
shellcheck $scripts || fail "shellcheck"
grep -rlZ '^#!/bin/sh' packaging/openwrt | xargs -0 -n1 busybox ash -n || fail "busybox ash"
exit $status
