package nftables

import (
	"errors"
	"fmt"
	"slices"

	"github.com/vishvananda/netlink"
)

// ErrOffload says that another program's flow offload takes packets of a zone past the firewall, so that nothing would be
// counted and nobody cut. Its text names the flowtable and what to do.
var ErrOffload = errors.New("flow offload takes packets of a zone past the firewall")

type listedFlowtable struct {
	Family, Table, Name string
	Dev                 any // a name, or several
}

// checkOffload looks for a flowtable of somebody else on an interface over which a zone's packets come.
func (f *Firewall) checkOffload(all *listing) (conflict, err error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("listing interfaces: %w", err)
	}
	return all.offload(below(interfaces(f.cfg.Zones), links)), nil
}

// offload finds the first flowtable on one of the interfaces.
func (listing *listing) offload(names []string) error {
	for _, o := range listing.Nftables {
		t := o.Flowtable
		if t == nil || t.Table == tableName {
			continue
		}
		for _, dev := range t.devices() {
			if slices.Contains(names, dev) {
				return fmt.Errorf("%w: table %s %s, flowtable %s, interface %s; switch flow offloading off (OpenWrt: "+
					"\"uci set firewall.@defaults[0].flow_offloading=0\", \"uci commit firewall\", \"fw4 reload\"), or take %[5]s out of the flowtable",
					ErrOffload, t.Family, t.Table, t.Name, dev)
			}
		}
	}
	return nil
}

func (t *listedFlowtable) devices() (names []string) {
	switch v := t.Dev.(type) {
	case string:
		return []string{v}
	case []any:
		for _, dev := range v {
			if name, ok := dev.(string); ok {
				names = append(names, name)
			}
		}
	}
	return names
}

// below are interfaces and those that their packets come over first: the ports of a bridge, the parent of a VLAN.
func below(names []string, links []netlink.Link) []string {
	all := slices.Clone(names)
	for i := 0; i < len(all); i++ {
		at := slices.IndexFunc(links, func(l netlink.Link) bool { return l.Attrs().Name == all[i] })
		if at < 0 {
			continue
		}
		upper := links[at].Attrs()
		for _, l := range links {
			a := l.Attrs()
			if (a.MasterIndex == upper.Index || a.Index == upper.ParentIndex) && !slices.Contains(all, a.Name) {
				all = append(all, a.Name)
			}
		}
	}
	return all
}
