#!/bin/sh
# Fetches Debian's kernel into bin/oldkernel, once: lab/oldkernel boots it under qemu. The package is only unpacked; nothing
# of it is installed on this machine. Where there is none (another system or architecture, no network) that is no error unless CI
# is set, as with the test itself.
#
# usage: scripts/oldkernel.sh
set -eu
cd "$(dirname "$0")/.."
folder=bin/oldkernel
meta=linux-image-cloud-amd64

[ "$(uname -m)" = x86_64 ] && command -v apt-get >/dev/null || exit 0
! ls $folder/boot/vmlinuz-* >/dev/null 2>&1 || exit 0

# image prints the package with the kernel itself: the meta package depends on it.
image() { apt-cache depends "$meta" 2>/dev/null | sed -n 's/^  Depends: \(linux-image-.*\)/\1/p' | head -n 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fetch() (
	name=$(image)
	[ -n "$name" ] && cd "$work" && apt-get -q download "$name" && dpkg-deb -x "$name"_*.deb unpacked
)
if ! fetch >"$work/log" 2>&1 && ! { apt-get -q update && fetch; } >>"$work/log" 2>&1; then
	cat "$work/log" >&2
	echo "gatehouse: could not fetch Debian's kernel ($meta)" >&2
	[ -z "${CI-}" ]
	exit
fi
find "$work/unpacked" -name '*.ko.xz' -exec xz -d {} +
rm -rf "$folder"
mkdir -p bin
cp -a "$work/unpacked" "$folder.new"
mv "$folder.new" "$folder"
