package isolate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"gatehouse/firewall/table"
)

// Run follows what becomes of interfaces, ports and addresses, and puts back what others delete, until ctx ends. It may run
// the nft program.
func (i *Isolator) Run(ctx context.Context) error {
	watch, err := table.NewWatch(unix.NFPROTO_BRIDGE)
	if err != nil {
		return err
	}
	defer watch.Close()
	events, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR)
	if err != nil {
		return fmt.Errorf("subscribing to interface events: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var readers sync.WaitGroup
	defer readers.Wait()
	defer cancel()
	context.AfterFunc(ctx, events.Close)
	heard, failed, deleted := make(chan []syscall.NetlinkMessage), make(chan error, 2), make(chan struct{}, 1)
	readers.Go(func() { failed <- hear(ctx, events, heard) })
	readers.Go(func() {
		failed <- watch.Run(ctx, func() {
			select {
			case deleted <- struct{}{}:
			default:
			}
		})
	})
	i.again(ctx) // what happened before
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			if ctx.Err() == nil {
				return err
			}
		case <-deleted:
			i.restore(ctx)
		case messages := <-heard:
			i.follow(ctx, messages)
		}
	}
}

// hear passes on what the kernel tells; nil when it told more than could be heard.
func hear(ctx context.Context, events *nl.NetlinkSocket, heard chan<- []syscall.NetlinkMessage) error {
	for {
		messages, from, err := events.Receive()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS):
			messages = nil
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN), err == nil && from.Pid != nl.PidKernel:
			continue
		case err != nil:
			return fmt.Errorf("following interface events: %w", err)
		}
		select {
		case heard <- messages:
		case <-ctx.Done():
			return nil
		}
	}
}

func (i *Isolator) again(ctx context.Context) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.install(ctx)
}

// follow takes events in: a port at once, everything else by looking at all again.
func (i *Isolator) follow(ctx context.Context, messages []syscall.NetlinkMessage) {
	i.mu.Lock()
	defer i.mu.Unlock()
	look := messages == nil
	for _, m := range messages {
		p, isPort := portOf(m.Data)
		if m.Header.Type != unix.RTM_NEWLINK && m.Header.Type != unix.RTM_DELLINK || !isPort {
			look = look || i.concerns(m)
			continue
		}
		if err := i.followPort(p, m.Header.Type == unix.RTM_DELLINK); err != nil {
			i.cfg.Logger.Warn("isolating a port that came or went", "port", p.name, "err", err)
			look = true
		}
		look = look || slices.ContainsFunc(i.on(p.bridge), func(s *segment) bool { return s.vlan != 0 }) // its VLANs may be others
	}
	if look {
		i.install(ctx)
	}
}

// followPort isolates a port that is new. What left its bridge keeps no mark, and its name stays among the ports: a Wi-Fi
// interface that comes back under its name is isolated from its first frame.
func (i *Isolator) followPort(p port, left bool) error {
	if left {
		return i.release(p.index)
	}
	if i.wantsFlag(p) {
		return i.isolate(p)
	}
	for _, s := range i.segments {
		n := slices.Index(s.ports, p.name)
		var err error
		switch is := s.bridge == p.bridge; {
		case s.kind != Table || is == (n >= 0):
		case is:
			s.ports = append(s.ports, p.name)
			err = i.nft.Add(s.set, portElement(p.name))
		default: // another bridge has it now
			s.ports = slices.Delete(s.ports, n, n+1)
			err = i.nft.Delete(s.set, portElement(p.name))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// concerns tells whether an event is about an interface of a zone, and news.
func (i *Isolator) concerns(m syscall.NetlinkMessage) bool {
	switch m.Header.Type {
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		if len(m.Data) < unix.SizeofIfAddrmsg {
			return false
		}
		index := int(nl.DeserializeIfAddrmsg(m.Data).Index)
		return slices.ContainsFunc(i.segments, func(s *segment) bool { return s.index == index && s.kind == Table })
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		return i.concernsLink(m)
	}
	return false
}

func (i *Isolator) concernsLink(m syscall.NetlinkMessage) bool {
	if len(m.Data) < unix.SizeofIfInfomsg {
		return false
	}
	info := nl.DeserializeIfInfomsg(m.Data)
	attrs, err := nl.ParseRouteAttr(m.Data[info.Len():])
	if info.Family == unix.AF_BRIDGE || err != nil {
		return false
	}
	name, mac := unix.ByteSliceToString(table.Find(attrs, unix.IFLA_IFNAME)), table.Find(attrs, unix.IFLA_ADDRESS)
	return slices.ContainsFunc(i.segments, func(s *segment) bool {
		is := m.Header.Type == unix.RTM_NEWLINK && s.name == name
		was := s.index == int(info.Index)
		under := s.vlan != 0 && s.bridge == int(info.Index) // it may take tags off now, or no more
		return is != was || is && !slices.Equal(mac, s.mac[:]) || under
	})
}
