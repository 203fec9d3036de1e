package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gatehouse/portal"
)

// doorway is the portal's port on one interface, and on no other: what comes in by the router's other interfaces, the
// uplink above all, never reaches the portal. It is a Task.
type doorway struct {
	iface  string
	port   uint16
	portal *portal.Portal
	logger *slog.Logger

	listener net.Listener
	index    int // of the interface that listener is bound to
}

// lookEvery is how long a guest may meet a closed door after an interface was made anew.
const lookEvery = 2 * time.Second

// String names the task.
func (d *doorway) String() string { return "portal on " + d.iface }

// open listens. An interface that exists must be there.
func (d *doorway) open(ctx context.Context) error {
	l := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var bindErr error
		err := c.Control(func(fd uintptr) { bindErr = unix.BindToDevice(int(fd), d.iface) })
		return errors.Join(err, bindErr)
	}}
	f, err := net.InterfaceByName(d.iface)
	if err != nil {
		return fmt.Errorf("interface %s: %w", d.iface, err)
	}
	d.index = f.Index
	d.listener, err = l.Listen(ctx, "tcp", ":"+strconv.Itoa(int(d.port)))
	if errors.Is(err, unix.EADDRINUSE) {
		return fmt.Errorf("port %d is in use by another program: stop it, or choose another portal.http_port", d.port)
	}
	if err != nil {
		return fmt.Errorf("listening on %s: %w", d.iface, err)
	}
	return nil
}

// close is for a start that failed; Run closes by itself.
func (d *doorway) close() error {
	if d.listener == nil {
		return nil
	}
	return d.listener.Close()
}

// Run serves until ctx ends, and opens again when the interface was made anew: the old listener is bound to the old one.
func (d *doorway) Run(ctx context.Context) error {
	for {
		if err := d.serve(ctx); err != nil || ctx.Err() != nil {
			return err
		}
		d.logger.Info("interface is gone; the portal opens again when it is back", "interface", d.iface)
		if !d.reopen(ctx) {
			return nil
		}
		d.logger.Info("interface is back", "interface", d.iface)
	}
}

// serve returns when ctx ends or the interface is not the one any more.
func (d *doorway) serve(ctx context.Context) error {
	serving, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- d.portal.Serve(serving, d.listener) }()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case err := <-served:
			return err
		case <-tick.C:
			if f, err := net.InterfaceByName(d.iface); err != nil || f.Index != d.index {
				cancel()
			}
		}
	}
}

// reopen tries until the interface is back, and tells whether it is.
func (d *doorway) reopen(ctx context.Context) bool {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for d.open(ctx) != nil {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}
