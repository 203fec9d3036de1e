package shape

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"gatehouse/firewall/table"
	"gatehouse/sessions"
)

const (
	// major is the handle of our root queues ("ga"): nobody else's, so that a priority of ours means nothing to other queues.
	major = 0x6761

	capMinor     = 1 // the class with the zone's cap, above all others
	defaultMinor = 2 // in zones with a cap, of whatever is no station's with a class

	ifbPrefix = "gh-ifb"
	ifbQueue  = 1000 // packets, as other interfaces have it; an IFB's own is 32

	// minRate is the least that a class gets: below it nothing works any more, and HTB cannot count.
	minRate sessions.BitRate = 8e3
	// guaranteed is what each station of a capped zone has whatever the others do: so little that a thousand of them do not
	// go above the cap. All else is lent, in turns.
	guaranteed sessions.BitRate = 1e3

	maxPacket = 64 << 10 // bytes, of a packet that is many (GSO)
)

func handle(minor uint16) uint32 { return netlink.MakeHandle(major, minor) }

// root is the root queue of an interface. One that the kernel chose has no handle.
type root struct {
	kind         string
	handle       uint32
	defaultClass uint32 // of HTB
}

func (r root) ours() bool { return r.kind == "htb" && r.handle == handle(0) }

func (r root) foreign() bool { return r.handle != 0 && !r.ours() }

// rootOf reads the root queue alone. (The library lists all queues of all interfaces, one for each station.) Without
// NLM_F_ECHO the kernel tells everybody who listens, but not who asks.
func (s *Shaper) rootOf(link netlink.Link) (root, error) {
	req := nl.NewNetlinkRequest(unix.RTM_GETQDISC, unix.NLM_F_ACK|unix.NLM_F_ECHO)
	req.Sockets = s.route
	req.AddData(&nl.TcMsg{Family: nl.FAMILY_ALL, Ifindex: int32(link.Attrs().Index), Parent: netlink.HANDLE_ROOT})
	answers, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWQDISC)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return root{}, fmt.Errorf("reading the queue of %s: %w", link.Attrs().Name, err)
	}
	var r root
	for _, a := range answers {
		m := nl.DeserializeTcMsg(a)
		attrs, err := nl.ParseRouteAttr(a[m.Len():])
		if err != nil {
			return root{}, fmt.Errorf("reading the queue of %s: %w", link.Attrs().Name, err)
		}
		r.handle, r.kind = m.Handle, nl.BytesToString(table.Find(attrs, nl.TCA_KIND))
		if !r.ours() {
			continue
		}
		options, err := nl.ParseRouteAttr(table.Find(attrs, nl.TCA_OPTIONS))
		if init := table.Find(options, nl.TCA_HTB_INIT); err == nil && len(init) >= nl.SizeofTcHtbGlob {
			r.defaultClass = nl.DeserializeTcHtbGlob(init).Defcls
		}
	}
	return r, nil
}

func (s *Shaper) removeRoot(link netlink.Link) error {
	return s.tc.QdiscDel(netlink.NewHtb(netlink.QdiscAttrs{LinkIndex: link.Attrs().Index, Handle: handle(0), Parent: netlink.HANDLE_ROOT}))
}

// makeQueue gives an interface our root queue, and the zone's classes. What is there and right is left alone.
func (s *Shaper) makeQueue(link netlink.Link, limit sessions.BitRate) error {
	defaultClass := uint32(0) // out at once
	if limit > 0 {
		defaultClass = defaultMinor
	}
	found, err := s.rootOf(link)
	if err != nil {
		return err
	}
	right := found.ours() && found.defaultClass == defaultClass
	if found.ours() && !right {
		if err := s.removeRoot(link); err != nil {
			return fmt.Errorf("removing the queue of an earlier run: %w", err)
		}
	}
	if !right {
		h := netlink.NewHtb(netlink.QdiscAttrs{LinkIndex: link.Attrs().Index, Handle: handle(0), Parent: netlink.HANDLE_ROOT})
		h.Defcls = defaultClass
		if err := s.tc.QdiscAdd(h); err != nil {
			return fmt.Errorf("HTB: %w", err)
		}
	}
	if limit == 0 {
		return nil
	}
	top := class(link.Attrs().Index, handle(0), capMinor, limit, limit)
	if err := s.tc.ClassReplace(top); err != nil {
		return fmt.Errorf("making the zone's class: %w", err)
	}
	return s.makeLeaf(link.Attrs().Index, handle(capMinor), defaultMinor, guaranteed, limit)
}

func class(link int, parent uint32, minor uint16, rate, ceil sessions.BitRate) *netlink.HtbClass {
	wait := sessions.BitRate(1) // milliseconds, that a class may have to wait for its turn, and then catches up
	if rate != ceil {
		wait = 100
	}
	return netlink.NewHtbClass(
		netlink.ClassAttrs{LinkIndex: link, Parent: parent, Handle: handle(minor)},
		netlink.HtbClassAttrs{Rate: uint64(rate), Ceil: uint64(ceil), Buffer: burst(rate, 1), Cbuffer: burst(ceil, wait),
			// A turn is a millisecond's worth: shares are fair at that grain.
			Quantum: uint32(min(max(ceil/8/1000, 2*1514), maxPacket))})
}

// burst is what may go at once after a pause of so many milliseconds, in bytes.
func burst(r, milliseconds sessions.BitRate) uint32 { return uint32(r/8*milliseconds/1000) + 1600 }

// putClass makes a station's class in this direction, or changes it while packets wait in it.
func (s *Shaper) putClass(d *direction, now slot) error {
	parent, rate, ceil := d.share(now)
	for _, link := range d.links {
		err := s.makeLeaf(link, handle(parent), now.minor, rate, ceil)
		if err != nil && !errors.Is(err, unix.ENODEV) { // an interface that is away: Usage tells when it is back
			return err
		}
	}
	return nil
}

func (s *Shaper) makeLeaf(link int, parent uint32, minor uint16, rate, ceil sessions.BitRate) error {
	if err := s.tc.ClassReplace(class(link, parent, minor, rate, ceil)); err != nil {
		return fmt.Errorf("making a class: %w", err)
	}
	if err := s.makeWaiting(link, minor, ceil); err != nil {
		return fmt.Errorf("making the queue of a class: %w", err)
	}
	return nil
}

// makeWaiting gives a class the queue in which its packets wait: fq_codel where the kernel has it, else one of bounded
// bytes. (HTB's own would be a thousand packets: six seconds at 2 Mbit/s.)
func (s *Shaper) makeWaiting(link int, minor uint16, ceil sessions.BitRate) error {
	attrs := netlink.QdiscAttrs{LinkIndex: link, Parent: handle(minor), Handle: netlink.MakeHandle(minor, 0)}
	if !s.noCodel {
		err := s.tc.QdiscReplace(netlink.NewFqCodel(attrs))
		if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EINVAL) { // EINVAL: an earlier run chose the other kind
			return err
		}
		s.noCodel = errors.Is(err, unix.ENOENT)
	}
	// The library cannot give a bfifo its limit.
	req := nl.NewNetlinkRequest(unix.RTM_NEWQDISC, unix.NLM_F_CREATE|unix.NLM_F_REPLACE|unix.NLM_F_ACK)
	req.Sockets = s.route // of the namespace in which Around was called
	req.AddData(&nl.TcMsg{Family: nl.FAMILY_ALL, Ifindex: int32(link), Handle: attrs.Handle, Parent: attrs.Parent})
	req.AddData(nl.NewRtAttr(nl.TCA_KIND, nl.ZeroTerminated("bfifo")))
	const waiting = 10 // tenths of a second
	limit := max(uint64(ceil)/8/waiting, 2*maxPacket)
	req.AddData(nl.NewRtAttr(nl.TCA_OPTIONS, binary.NativeEndian.AppendUint32(nil, uint32(limit))))
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

func (s *Shaper) deleteClass(d *direction, minor uint16) error {
	var errs []error
	for _, link := range d.links {
		err := s.tc.ClassDel(class(link, handle(0), minor, minRate, minRate))
		if err != nil && !isGone(err) {
			errs = append(errs, fmt.Errorf("removing a class: %w", err))
		}
	}
	return errors.Join(errs...)
}

// classes are the minors of the stations' classes of an interface, and their rates in bytes per second.
func (s *Shaper) classes(link int) (map[uint16]uint64, error) {
	all, err := s.tc.ClassList(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: link}}, 0)
	if err != nil {
		return nil, fmt.Errorf("listing classes: %w", err)
	}
	found := make(map[uint16]uint64, len(all))
	for _, c := range all {
		h, ok := c.(*netlink.HtbClass)
		if maj, minor := netlink.MajorMinor(c.Attrs().Handle); ok && maj == major && minor&8 != 0 {
			found[minor] = h.Ceil
		}
	}
	return found, nil
}

// makeIFB makes the zone's IFB, or takes the one that is there.
func (s *Shaper) makeIFB(name string) (netlink.Link, error) {
	link, err := s.tc.LinkByName(name)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.TxQLen = name, ifbQueue
		if err := s.tc.LinkAdd(&netlink.Ifb{LinkAttrs: attrs}); err != nil {
			return nil, err
		}
		link, err = s.tc.LinkByName(name)
	}
	if err != nil {
		return nil, err
	}
	if link.Type() != "ifb" {
		return nil, fmt.Errorf("%s is somebody else's interface", name)
	}
	return link, s.tc.LinkSetUp(link)
}

// removeDownQueues removes the queues of a zone's interfaces.
func (s *Shaper) removeDownQueues(d *direction) error {
	for _, link := range d.links {
		err := s.removeRoot(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: link}})
		if err != nil && !isGone(err) {
			return fmt.Errorf("removing the queue: %w", err)
		}
	}
	return nil
}

// removeQueues removes all our queues and IFBs but those of the interfaces named.
func (s *Shaper) removeQueues(keep map[string]bool) error {
	links, err := s.tc.LinkList()
	if err != nil {
		return fmt.Errorf("listing interfaces: %w", err)
	}
	var errs []error
	for _, link := range links {
		name := link.Attrs().Name
		if keep[name] {
			continue
		}
		if link.Type() == "ifb" && strings.HasPrefix(name, ifbPrefix) {
			errs = append(errs, s.tc.LinkDel(link))
			continue
		}
		found, err := s.rootOf(link)
		if err == nil && found.ours() {
			err = s.removeRoot(link)
		}
		if err != nil && !isGone(err) {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("removing queues: %w", err)
	}
	return nil
}

func isGone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EINVAL)
}
