package iptables

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"gatehouse/sessions"
)

// setKind is how a set is made.
type setKind struct {
	typeName string
	family   uint8
	timeout  bool
	flags    uint32 // IPSET_FLAG_WITH_…
}

// The kinds that the keeper uses. vishvananda's own calls lack skbmark and markmask, and print what they do not know.
func macs(timeout bool, flags uint32) setKind {
	return setKind{typeName: "hash:mac", timeout: timeout, flags: flags}
}

func addresses(v6, timeout bool, flags uint32) setKind {
	k := setKind{typeName: "hash:ip,mark", family: unix.AF_INET, timeout: timeout, flags: flags}
	if v6 {
		k.family = unix.AF_INET6
	}
	return k
}

const (
	withCounters = nl.IPSET_FLAG_WITH_COUNTERS
	withComment  = nl.IPSET_FLAG_WITH_COMMENT
	withMark     = nl.IPSET_FLAG_WITH_SKBINFO

	setSize      = 65536
	listNames    = 1 << 1  // IPSET_FLAG_LIST_SETNAME
	longestInSet = 2147483 // s, what the kernel's clock can hold
	typeMask     = ^uint16(unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
)

// entry is one of a set: by MAC, or by address and mark.
type entry struct {
	mac     sessions.MAC
	addr    netip.Addr // valid: by address and mark
	mark    uint32
	timed   bool   // the set keeps timeouts
	seconds uint32 // timeout, 0: none; read: what is left
	skbMark uint32 // 0: none
	comment string

	octets, packets uint64 // read only
}

func (n netfilter) ipset(cmd int, flags int, set string, data ...nl.NetlinkRequestData) error {
	return n.ipsetEach(cmd, flags, set, data, nil)
}

func (n netfilter) ipsetEach(cmd, flags int, set string, data []nl.NetlinkRequestData, each func([]byte)) error {
	all := []nl.NetlinkRequestData{nl.NewRtAttr(nl.IPSET_ATTR_PROTOCOL, nl.Uint8Attr(nl.IPSET_PROTOCOL))}
	if set != "" {
		all = append(all, nl.NewRtAttr(nl.IPSET_ATTR_SETNAME, nl.ZeroTerminated(set)))
	}
	return n.call(unix.NFNL_SUBSYS_IPSET<<8|cmd, nl.GetIpsetFlags(cmd)|flags, unix.AF_UNSPEC, append(all, data...), each)
}

// createSet makes a set, or finds that there is one of the kind.
func (n netfilter) createSet(name string, k setKind) error {
	data := nl.NewRtAttr(nl.IPSET_ATTR_DATA|unix.NLA_F_NESTED, nil)
	data.AddChild(number(nl.IPSET_ATTR_MAXELEM, setSize))
	data.AddChild(number(nl.IPSET_ATTR_CADT_FLAGS, k.flags))
	if k.timeout {
		data.AddChild(number(nl.IPSET_ATTR_TIMEOUT, 0))
	}
	if k.family != 0 {
		data.AddChild(number(nl.IPSET_ATTR_MARKMASK, idMask))
	}
	err := n.ipset(nl.IPSET_CMD_CREATE, 0, name,
		nl.NewRtAttr(nl.IPSET_ATTR_TYPENAME, nl.ZeroTerminated(k.typeName)),
		nl.NewRtAttr(nl.IPSET_ATTR_REVISION, nl.Uint8Attr(0)),
		nl.NewRtAttr(nl.IPSET_ATTR_FAMILY, nl.Uint8Attr(k.family)), data)
	if err != nil {
		return fmt.Errorf("making ipset %s of type %s: %w", name, k.typeName, err)
	}
	return nil
}

func (n netfilter) destroySet(name string) error {
	if err := n.ipset(nl.IPSET_CMD_DESTROY, 0, name); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("removing ipset %s: %w", name, err)
	}
	return nil
}

// add puts an entry into a set; one that is there gets the new timeout, mark and comment, and keeps its counters.
func (n netfilter) add(set string, e entry) error {
	data := e.key()
	if e.timed {
		data.AddChild(number(nl.IPSET_ATTR_TIMEOUT, e.seconds))
	}
	if e.comment != "" {
		data.AddChild(nl.NewRtAttr(nl.IPSET_ATTR_COMMENT, nl.ZeroTerminated(e.comment)))
	}
	if e.skbMark != 0 {
		value := binary.BigEndian.AppendUint32(nil, e.skbMark)
		data.AddChild(nl.NewRtAttr(nl.IPSET_ATTR_SKBMARK|unix.NLA_F_NET_BYTEORDER, binary.BigEndian.AppendUint32(value, idMask|classMask)))
	}
	if err := n.ipset(nl.IPSET_CMD_ADD, 0, set, data); err != nil {
		return fmt.Errorf("adding to ipset %s: %w", set, err)
	}
	return nil
}

// del takes an entry out; one that is not there is no error.
func (n netfilter) del(set string, e entry) error {
	if err := n.ipset(nl.IPSET_CMD_DEL, 0, set, e.key()); err != nil {
		return fmt.Errorf("taking out of ipset %s: %w", set, err)
	}
	return nil
}

func (e *entry) key() *nl.RtAttr {
	data := nl.NewRtAttr(nl.IPSET_ATTR_DATA|unix.NLA_F_NESTED, nil)
	if !e.addr.IsValid() {
		data.AddRtAttr(nl.IPSET_ATTR_ETHER, e.mac[:])
		return data
	}
	kind := nl.IPSET_ATTR_IPADDR_IPV4
	if e.addr.Is6() {
		kind = nl.IPSET_ATTR_IPADDR_IPV6
	}
	data.AddRtAttr(nl.IPSET_ATTR_IP|unix.NLA_F_NESTED, nil).AddRtAttr(kind|unix.NLA_F_NET_BYTEORDER, e.addr.AsSlice())
	data.AddChild(number(nl.IPSET_ATTR_MARK, e.mark))
	return data
}

// list calls each with every entry of a set.
func (n netfilter) list(set string, each func(*entry)) error {
	err := n.ipsetEach(nl.IPSET_CMD_LIST, 0, set, nil, func(message []byte) {
		nested(message, nl.IPSET_ATTR_ADT, func(entries []byte) {
			nested(entries, nl.IPSET_ATTR_DATA, func(b []byte) {
				e := readEntry(b)
				each(&e)
			})
		})
	})
	if err != nil {
		return fmt.Errorf("reading ipset %s: %w", set, err)
	}
	return nil
}

// setNames are the sets whose names begin like ours.
func (n netfilter) setNames() (names []string, err error) {
	flags := []nl.NetlinkRequestData{number(nl.IPSET_ATTR_FLAGS, listNames)}
	err = n.ipsetEach(nl.IPSET_CMD_LIST, 0, "", flags, func(message []byte) {
		nested(message, nl.IPSET_ATTR_SETNAME, func(b []byte) {
			if name := nl.BytesToString(b); strings.HasPrefix(name, prefix) {
				names = append(names, name)
			}
		})
	})
	if err != nil {
		return nil, fmt.Errorf("listing ipsets: %w", err)
	}
	return names, nil
}

func nested(b []byte, kind int, each func([]byte)) {
	all, _ := nl.ParseRouteAttr(b) // what cannot be read is not there
	for _, a := range all {
		if int(a.Attr.Type&typeMask) == kind {
			each(a.Value)
		}
	}
}

func readEntry(b []byte) (e entry) {
	all, _ := nl.ParseRouteAttr(b)
	for _, a := range all {
		switch v := a.Value; int(a.Attr.Type & typeMask) {
		case nl.IPSET_ATTR_ETHER:
			copy(e.mac[:], v)
		case nl.IPSET_ATTR_IP:
			for _, kind := range []int{nl.IPSET_ATTR_IPADDR_IPV4, nl.IPSET_ATTR_IPADDR_IPV6} {
				nested(v, kind, func(b []byte) { e.addr, _ = netip.AddrFromSlice(b) })
			}
		case nl.IPSET_ATTR_MARK:
			e.mark = binary.BigEndian.Uint32(v)
		case nl.IPSET_ATTR_TIMEOUT:
			e.seconds = binary.BigEndian.Uint32(v)
		case nl.IPSET_ATTR_BYTES:
			e.octets = binary.BigEndian.Uint64(v)
		case nl.IPSET_ATTR_PACKETS:
			e.packets = binary.BigEndian.Uint64(v)
		case nl.IPSET_ATTR_COMMENT:
			e.comment = nl.BytesToString(v)
		}
	}
	return e
}

// inSet is a time as a set keeps it: rounded up to seconds, none where it is too long.
func inSet(d time.Duration) uint32 {
	if s := (d + time.Second - 1) / time.Second; s > 0 && s <= longestInSet {
		return uint32(s)
	}
	return 0
}
