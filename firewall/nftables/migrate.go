package nftables

import (
	"context"
	"fmt"
	"strings"
)

// migrate replaces a table of an older version by one of this version, in one transaction, with all its grants: what is
// left of their time, and their counters. Sets that the older version did not have are empty.
func (f *Firewall) migrate(ctx context.Context, found inspection) error {
	r := f.rules(false)
	r.idleTimeouts = found.idles
	var b strings.Builder
	fmt.Fprintf(&b, "add table inet %s\ndelete table inet %s\n%s", tableName, tableName, r.text())
	made := func(name string) bool { return strings.Contains(b.String(), " "+name+" {") }
	for _, set := range found.sets {
		if !made(set) {
			continue
		}
		elements, err := f.socket.readSet(set, nil)
		if err != nil {
			return err
		}
		for i := range elements {
			fmt.Fprintf(&b, "add element inet %s %s { %s }\n", tableName, set, elements[i].text(set))
		}
	}
	_, err := f.nft(ctx, b.String(), "-f", "-")
	return err
}

// text is the element as nft reads it.
func (e *element) text(set string) string {
	var b strings.Builder
	switch {
	case strings.HasPrefix(set, stationsPrefix):
		b.WriteString(e.key.mac().String())
	case isGarden(set):
		b.WriteString(e.key.addr().String())
	default:
		fmt.Fprintf(&b, "0x%08x", e.key.mark())
	}
	if set == setUp || set == setDown {
		fmt.Fprintf(&b, " counter packets %d bytes %d", e.packets, e.octets)
	}
	if e.timeout > 0 {
		fmt.Fprintf(&b, " timeout %dms expires %dms", e.timeout.Milliseconds(), max(1, e.left.Milliseconds()))
	}
	if e.comment != "" {
		fmt.Fprintf(&b, " comment %q", e.comment)
	}
	switch {
	case e.chain != "":
		fmt.Fprintf(&b, " : goto %s", e.chain)
	case e.isMap:
		fmt.Fprintf(&b, " : 0x%08x", e.mark)
	}
	return b.String()
}
