#!/bin/sh
# Fetches axe-core, which looks at pages as somebody with a screen reader or bad eyes would, into bin/axe-core, once. It is for
# the tests in a browser only. Where it cannot be had that is no error unless CI is set, as with the tests themselves.
#
# usage: scripts/axe.sh
set -eu
cd "$(dirname "$0")/.."
version=4.14.1
sum=29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c
file=bin/axe-core/axe-$version.min.js

[ ! -e $file ] || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if ! npm pack --silent --pack-destination "$work" axe-core@$version >"$work/log" 2>&1; then
	cat "$work/log" >&2
	echo "gatehouse: could not fetch axe-core $version with npm" >&2
	[ -z "${CI-}" ]
	exit
fi
tar -xzf "$work/axe-core-$version.tgz" -C "$work" package/axe.min.js
if ! echo "$sum  $work/package/axe.min.js" | sha256sum --check --quiet; then
	echo "gatehouse: axe-core $version is not what it was when this was written" >&2
	exit 1
fi
mkdir -p bin/axe-core
mv "$work/package/axe.min.js" $file
