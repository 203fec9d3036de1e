package nftables

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
)

// Flowtables as nft 1.0.6 lists them with -j.
func TestOffload(t *testing.T) {
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br-lan", Index: 5}}
	links := []netlink.Link{
		&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: "lo", Index: 1}},
		&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: "eth0", Index: 2}},
		&netlink.Vlan{LinkAttrs: netlink.LinkAttrs{Name: "eth0.3", Index: 3, ParentIndex: 2, MasterIndex: 5}},
		&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: "wlan0", Index: 4, MasterIndex: 5}},
		bridge,
		&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: "eth1", Index: 6}},
	}
	names := below([]string{"br-lan", "not-there"}, links)
	if diff := cmp.Diff([]string{"br-lan", "not-there", "eth0.3", "wlan0", "eth0"}, names); diff != "" {
		t.Errorf("interfaces (-want +got):\n%s", diff)
	}
	for dev, refused := range map[string]bool{`["eth1", "br-lan"]`: true, `"br-lan"`: true, `["wlan0", "eth1"]`: true, `["eth0"]`: true, `"eth1"`: false, `["eth1", "tun0"]`: false} {
		list := `{"nftables": [{"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}},
			{"table": {"family": "inet", "name": "fw4", "handle": 1}},
			{"flowtable": {"family": "inet", "name": "ft", "table": "fw4", "handle": 2, "hook": "ingress", "prio": 0, "dev": ` + dev + `}}]}`
		var all listing
		if err := json.Unmarshal([]byte(list), &all); err != nil {
			t.Fatal(err)
		}
		err := all.offload(names)
		if errors.Is(err, ErrOffload) != refused {
			t.Errorf("a flowtable on %s: %v", dev, err)
		}
		if refused && !strings.Contains(err.Error(), "table inet fw4, flowtable ft, interface ") {
			t.Errorf("%q does not name the flowtable", err)
		}
	}
}
