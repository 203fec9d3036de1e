#!/bin/sh
# Prints the version of this tree: 1.2.3 at the tag v1.2.3, 1.2.3+4.gabc1234 four commits after it, 0.0.0+gabc1234 before
# the first tag, 0.0.0 where there is no git. All of them are versions that Debian orders rightly.
set -eu
cd "$(dirname "$0")/.."
if tag=$(git describe --tags --match 'v[0-9]*' --abbrev=7 2>/dev/null); then
	echo "${tag#v}" | sed 's/-\([0-9]*\)-g/+\1.g/; s/-/~/g'
elif commit=$(git rev-parse --short=7 HEAD 2>/dev/null); then
	echo "0.0.0+g$commit"
else
	echo "0.0.0"
fi
