#!/bin/sh
# Looks for the programs that a task needs and installs the missing ones when it may: root, on a system with apt-get.
# Otherwise it says exactly what is missing and ends with 1.
#
# usage: scripts/deps.sh demo|bench|test
set -eu

# Debian keeps nft, dnsmasq and others in sbin, which is not in every user's PATH.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

# program    Debian package    what for
lab='
ip           iproute2          namespaces, links, addresses
nft          nftables          the ruleset
dnsmasq      dnsmasq-base      DHCP, DNS and router advertisements of the lab
udhcpc       udhcpc            DHCP client of the stations
busybox      busybox           small servers of the stations; scripts of the packages, as a router runs them
nsenter      util-linux        programs inside the namespaces
'
benches='
strace       strace            a disk that is slow to sync
iptables-legacy-restore iptables rules of other portals, for comparison
opennds      opennds           the figures of another portal, for comparison
'
database='
/usr/lib/postgresql postgresql   the larger database of the centre
'
radius='
freeradius   freeradius        the figures of another accounting server, for comparison
/usr/lib/freeradius/rlm_sql_postgresql.so freeradius-postgresql the same
'
checks='
gcc          gcc               go test -race
/usr/include/stdlib.h libc6-dev go test -race
mkfs.ext4    e2fsprogs         the state disk of the power-cut tests
chromium     chromium          the login as a guest clicks it
/usr/share/fonts/truetype/dejavu fonts-dejavu-core text in the screenshots
/usr/share/fonts/truetype/droid fonts-droid-fallback Chinese and Japanese in them
/usr/share/fonts/truetype/lohit-devanagari fonts-lohit-deva Hindi in them
npm          npm               axe-core, which judges the pages in the browser
shellcheck   shellcheck        scripts of the packages
dpkg-deb     dpkg              packages are opened and installed
systemd-analyze systemd        the units
iptables-legacy iptables       the backend for old routers
conntrack    conntrack         what the kernel remembers
qemu-system-x86_64 qemu-system-x86 another kernel under an emulator
radclient    freeradius-utils  a NAS that somebody else wrote
NetworkManager network-manager what a computer makes of a network; inside a station only
xmllint      libxml2-utils     messages of WISPr against their schema
zbarimg      zbar-tools        QR codes are read as a telephone does
'

case "${1-}" in
demo) wanted=$lab ;;
bench) wanted=$lab$benches$database$radius ;;
test) wanted=$lab$checks$database ;;
*) echo "usage: scripts/deps.sh demo|bench|test" >&2; exit 2 ;;
esac

have() {
	case $1 in
	/*) test -e "$1" ;;
	*) command -v "$1" >/dev/null ;;
	esac
}

# missing prints the packages whose program is not there, each once.
missing() {
	echo "$wanted" | while read -r program package _; do
		[ -z "$program" ] || have "$program" || echo "$package"
	done | sort -u | tr '\n' ' '
}

# install leaves services alone: the lab starts what it needs itself.
install() {
	if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
		mkdir -p /etc/postgresql-common
		echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
	fi
	# A portal that somebody only wants to measure must not begin to catch the machine's own network.
	case " $* " in *" opennds "*)
		[ ! -d /etc/systemd/system ] || [ -e /etc/systemd/system/opennds.service ] || ln -s /dev/null /etc/systemd/system/opennds.service ;;
	esac
	case " $* " in
	*" network-manager "*) # it must never take over this machine's own network
		mkdir -p /etc/systemd/system
		[ -e /etc/systemd/system/NetworkManager.service ] || ln -s /dev/null /etc/systemd/system/NetworkManager.service
		;;
	esac
	DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 install --no-install-recommends "$@"
}

finish() {
	if [ "$1" = test ]; then
		"$(dirname "$0")/oldkernel.sh"
		"$(dirname "$0")/axe.sh"
	fi
	exit
}

packages=$(missing)
[ -n "$packages" ] || finish "$1"
if [ "$(id -u)" != 0 ] || ! have apt-get; then
	echo "gatehouse: missing for make $1: $packages" >&2
	echo "install them, on Debian and Ubuntu as root: apt-get install --no-install-recommends $packages" >&2
	exit 1
fi
echo "installing $packages"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086 # a list of words
if ! install $packages >"$log" 2>&1 && ! { apt-get -q update && install $packages; } >>"$log" 2>&1; then
	cat "$log" >&2
	echo "gatehouse: could not install: $packages" >&2
	exit 1
fi
packages=$(missing)
[ -z "$packages" ] || { echo "gatehouse: still missing after the installation: $packages" >&2; exit 1; }
finish "$1"
