package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/lab"
	"gatehouse/lab/venue"
)

// networkManagerScript runs a NetworkManager of the station's own, with its own D-Bus, and tells what it makes of the network
// whenever that changes. Its files and the machine's are kept apart by mounts: nothing of the machine is seen or changed.
// Without a writable /sys it does not wait for udev.
const networkManagerScript = `set -e
bus= nm=
trap 'kill $bus $nm; wait; exit 0' TERM
mount -t sysfs -o ro sysfs /sys
mount -t tmpfs tmpfs /etc/NetworkManager
mount -t tmpfs tmpfs /var/lib/NetworkManager
mkdir /etc/NetworkManager/system-connections
cp "$1/NetworkManager.conf" "$1/bus.conf" /etc/NetworkManager/
install -m 600 "$1/guest.nmconnection" /etc/NetworkManager/system-connections/
mount --bind "$1/resolv.conf" /etc/resolv.conf
mount -t tmpfs tmpfs /run
mkdir /run/dbus /run/NetworkManager
dbus-daemon --config-file=/etc/NetworkManager/bus.conf --nofork --nopidfile &
bus=$!
ip link set "$2" down # what is up and has addresses NetworkManager takes for somebody else's
n=0
until dbus-send --system --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.GetId >/dev/null 2>&1; do
	n=$((n + 1)); [ $n -lt 100 ]; sleep 0.1
done
NetworkManager --debug --log-level=INFO &
nm=$!
was=
while :; do
	now=$(nmcli networking connectivity check 2>/dev/null) || now=
	[ "$now" = "$was" ] || echo "connectivity is now $now."
	was=$now
	sleep 0.2
done
`

var networkManagerFiles = map[string]string{
	"NetworkManager.conf": `[main]
plugins=keyfile
dhcp=internal
dns=none
no-auto-default=*
hostname-mode=none
auth-polkit=false
[connectivity]
uri=http://nmcheck.gnome.org/check_network_status.txt
interval=5
`,
	"guest.nmconnection": `[connection]
id=guest
uuid=5e10f3a2-0000-4000-8000-000000000001
type=ethernet
interface-name=` + lab.PeerInterface + `
[ipv4]
method=auto
[ipv6]
method=auto
`,
	"resolv.conf": "nameserver " + lab.GuestGateway4 + "\n",
	"bus.conf": `<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_type="signal"/>
<allow send_requested_reply="true"/><allow receive_type="method_call"/><allow receive_type="signal"/><allow receive_requested_reply="true"/></policy>
</busconfig>
`,
}

// TestNetworkManager: a real NetworkManager in a station's namespace reports portal, after the login full, and at the end portal
// again.
func TestNetworkManager(t *testing.T) {
	lab.RequireKernel(t, "NetworkManager", "nmcli", "dbus-daemon")
	s := newSite(t)
	p := s.start(t)
	st, err := s.AddStation(t.Context(), lab.StationOptions{Bare: true})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range networkManagerFiles {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	nm, err := st.Start(t.Context(), []string{"unshare", "--mount", "--propagation", "private", "sh", "-c", networkManagerScript, "sh", dir, lab.PeerInterface}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	told := 0 // of what it told, that was waited for
	reports := func(want string) {
		t.Helper()
		if err := lab.WaitFor(t.Context(), 30*time.Second, func() error {
			if i := strings.Index(nm.Log()[told:], "connectivity is now "+want+"."); i >= 0 {
				told += i + 1
				return nil
			}
			return fmt.Errorf("no report of %s from NetworkManager", want)
		}); err != nil {
			t.Fatalf("%v\n%s\n%s", err, nm.Log(), p.Log())
		}
	}
	reports("portal")
	g := (&venue.Venue{Lab: s.Lab}).GuestAt(st)
	if at, err := g.Click(t.Context()); err != nil || at.Status != http.StatusOK {
		t.Fatalf("login: %d %v", at.Status, err)
	}
	reports("full")
	if out, err := s.cli(t, "logout", "guests/"+st.MAC.String()); err != nil {
		t.Fatal(out, err)
	}
	reports("portal")
	if err := nm.Terminate(); err != nil {
		t.Errorf("stopping NetworkManager: %v\n%s", err, nm.Log())
	}
	if err := p.Terminate(); err != nil {
		t.Errorf("stopping: %v\n%s", err, p.Log())
	}
}
