package table

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

const changesGroup = 7 // NFNLGRP_NFTABLES of linux/netfilter/nfnetlink.h

// Watch hears of deletions from one table.
type Watch struct {
	family byte
	file   *os.File
}

// NewWatch listens for the table of a family from now on, in the calling thread's network namespace. Call Close at the end.
func NewWatch(family byte) (*Watch, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("opening a netlink socket for changes of a table: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (changesGroup - 1)}); err != nil {
		return nil, errors.Join(fmt.Errorf("listening to changes of a table: %w", err), unix.Close(fd))
	}
	return &Watch{family: family, file: os.NewFile(uintptr(fd), "changes of a table")}, nil
}

// Close ends it.
func (w *Watch) Close() { _ = w.file.Close() }

// Run calls deleted after each deletion of the table or of something in it, whoever did it, until ctx ends; Table.Parts
// tells whether anything is missing.
func (w *Watch) Run(ctx context.Context, deleted func()) error {
	defer context.AfterFunc(ctx, func() { _ = w.file.SetReadDeadline(time.Unix(1, 0)) })()
	buf := make([]byte, 64<<10)
	for {
		n, err := w.file.Read(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS): // too much at once: something of ours may have been in it
			deleted()
		case err != nil:
			return fmt.Errorf("listening to changes of a table: %w", err)
		case w.deletes(buf[:n]):
			deleted()
		}
	}
}

// deletes tells whether one of the messages says that something of the table is gone.
func (w *Watch) deletes(b []byte) bool {
	changes, err := syscall.ParseNetlinkMessage(b)
	return err != nil || slices.ContainsFunc(changes, func(m syscall.NetlinkMessage) bool {
		switch m.Header.Type {
		case unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_DELTABLE, unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_DELCHAIN,
			unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_DELRULE, unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_DELSET:
		default:
			return false
		}
		if len(m.Data) < nl.SizeofNfgenmsg || m.Data[0] != w.family {
			return false
		}
		attrs, err := nl.ParseRouteAttr(m.Data[nl.SizeofNfgenmsg:])
		return err != nil || text(Find(attrs, unix.NFTA_TABLE_NAME)) == Name // the number is the same for all four
	})
}

// Parts are the chains, sets and rules that the table has, in order. A rule that is made anew is another part.
func (t *Table) Parts() (parts []string, err error) {
	for _, kind := range []struct {
		get       int
		table, id uint16
	}{
		{unix.NFT_MSG_GETCHAIN, unix.NFTA_CHAIN_TABLE, unix.NFTA_CHAIN_NAME},
		{unix.NFT_MSG_GETSET, unix.NFTA_SET_TABLE, unix.NFTA_SET_NAME},
		{unix.NFT_MSG_GETRULE, unix.NFTA_RULE_TABLE, unix.NFTA_RULE_HANDLE},
	} {
		names, err := t.names(kind.get, kind.table, kind.id)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			parts = append(parts, fmt.Sprintf("%d %q", kind.get, name))
		}
	}
	slices.Sort(parts)
	return parts, nil
}
