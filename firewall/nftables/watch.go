package nftables

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const changesGroup = 7 // NFNLGRP_NFTABLES of linux/netfilter/nfnetlink.h

// listen opens a socket that hears of every change of the nftables in this network namespace.
func listen() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("opening a netlink socket for changes of the firewall: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (changesGroup - 1)}); err != nil {
		return nil, errors.Join(fmt.Errorf("listening to changes of the firewall: %w", err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), "changes of the firewall"), nil
}

// Watch calls Config.Capped when a cap has refused its first packet, and lost when somebody else has deleted our table, or a
// chain, a rule or a set of it, until ctx ends. What is deleted by ourselves does not count: after every deletion it looks
// whether all that the last Reconcile made is there. lost may be called again before the loss is mended. It is called, too, when
// others have begun to use marks, so that Reconcile makes the form of the rules that leaves those alone. A conflict that
// others bring (ErrMarks, ErrOffload) is logged.
func (f *Firewall) Watch(ctx context.Context, lost func()) error {
	news, err := listen()
	if err != nil {
		return err
	}
	defer func() { _ = news.Close() }()
	defer context.AfterFunc(ctx, func() { _ = news.Close() })()
	buf := make([]byte, 64<<10)
	var look time.Time // when to look at what others have changed; zero: nothing
	for {
		_ = news.SetReadDeadline(look) // when it is closed, Read says so
		n, err := news.Read(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			look = time.Time{}
			if f.haveChanged(ctx) {
				lost()
			}
			continue
		case errors.Is(err, unix.ENOBUFS): // too much at once: something of ours may have been in it
			n = 0
		case err != nil:
			return fmt.Errorf("listening to changes of the firewall: %w", err)
		}
		changes, broken := syscall.ParseNetlinkMessage(buf[:n])
		unsure := n == 0 || broken != nil
		if f.cfg.Capped != nil && (unsure || slices.ContainsFunc(changes, depletes)) {
			f.cfg.Capped()
		}
		if look.IsZero() && (unsure || slices.ContainsFunc(changes, changesOthers)) {
			look = time.Now().Add(othersRest)
		}
		if !unsure && !slices.ContainsFunc(changes, deletesOurs) {
			continue
		}
		whole, err := f.isWhole()
		if err != nil { // the next poll of the counters finds out
			f.cfg.Logger.Warn("looking whether the firewall's rules are there", slog.Any("error", err))
		} else if !whole {
			lost()
		}
	}
}

// othersRest is how long after a change the rules of others are looked at: a reload is many messages.
const othersRest = time.Second

// changesOthers tells whether a message says that others have a new rule or flowtable, or one fewer.
func changesOthers(m syscall.NetlinkMessage) bool {
	switch m.Header.Type {
	case unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWRULE, unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_DELRULE,
		unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWFLOWTABLE, unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_DELFLOWTABLE:
		return !isOurs(m)
	}
	return false
}

// deletesOurs tells whether a message says that something of our table is gone.
func deletesOurs(m syscall.NetlinkMessage) bool {
	switch m.Header.Type {
	case unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_DELTABLE, unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_DELCHAIN,
		unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_DELRULE, unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_DELSET:
		return len(m.Data) > 0 && m.Data[0] == unix.NFPROTO_INET && isOurs(m)
	}
	return false
}

// depletes tells whether a message says that a quota of our table has refused its first packet. Such a message has the
// packet's family, not the table's.
func depletes(m syscall.NetlinkMessage) bool {
	return m.Header.Type == unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWOBJ && isOurs(m) && isDepleted(m.Data[nfgenmsgSize:])
}

func isOurs(m syscall.NetlinkMessage) bool {
	if len(m.Data) < nfgenmsgSize {
		return false
	}
	ours := false
	err := attributes(m.Data[nfgenmsgSize:], func(kind uint16, b []byte) error {
		ours = ours || kind == unix.NFTA_TABLE_NAME && text(b) == tableName // the number is the same for all kinds
		return nil
	})
	return ours || err != nil
}

// isWhole tells whether all chains, rules and sets of the last Reconcile are there. Before the first, and after CleanUp
// and Open, nothing can be missing.
func (f *Firewall) isWhole() (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ready {
		return true, nil
	}
	now, err := f.socket.parts()
	if isMissing(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, part := range f.installed {
		if _, there := slices.BinarySearch(now, part); !there {
			return false, nil
		}
	}
	return true, nil
}

// parts are the chains, sets and rules of our table, each as a text, in order.
func (s *socket) parts() (parts []string, err error) {
	for _, kind := range []struct{ get, table, id uint16 }{
		{unix.NFT_MSG_GETCHAIN, unix.NFTA_CHAIN_TABLE, unix.NFTA_CHAIN_NAME},
		{unix.NFT_MSG_GETSET, unix.NFTA_SET_TABLE, unix.NFTA_SET_NAME},
		{unix.NFT_MSG_GETRULE, unix.NFTA_RULE_TABLE, unix.NFTA_RULE_HANDLE},
	} {
		names, err := s.names(kind.get, kind.table, kind.id)
		if err != nil {
			return nil, fmt.Errorf("looking whether the firewall's rules are there: %w", err)
		}
		for _, name := range names {
			parts = append(parts, fmt.Sprintf("%d %q", kind.get, name))
		}
	}
	slices.Sort(parts)
	return parts, nil
}
