package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"gatehouse/dns"
	"gatehouse/portal"
)

// doorway is what stations reach of the daemon on one interface, and on no other: what comes in by the router's other
// interfaces, the uplink above all, never reaches it. It is a Task.
type doorway struct {
	iface  string
	name   string
	opener opener
	logger *slog.Logger

	service service
	index   int // of the interface that the service's sockets are bound to
}

// opener opens a service's sockets.
type opener interface {
	open(ctx context.Context, l *net.ListenConfig) (service, error)
}

// service answers on its sockets until ctx ends.
type service interface {
	io.Closer
	serve(ctx context.Context) error
}

// lookEvery is how long a guest may meet a closed door after an interface was made anew.
const lookEvery = 2 * time.Second

// String names the task.
func (d *doorway) String() string { return d.name + " on " + d.iface }

// open opens the sockets. An interface that exists must be there.
func (d *doorway) open(ctx context.Context) error {
	f, err := net.InterfaceByName(d.iface)
	if err != nil {
		return fmt.Errorf("interface %s: %w", d.iface, err)
	}
	d.index = f.Index
	d.service, err = d.opener.open(ctx, &net.ListenConfig{Control: func(network, _ string, c syscall.RawConn) error {
		var bindErr error
		err := c.Control(func(fd uintptr) {
			bindErr = errors.Join(unix.BindToDevice(int(fd), d.iface), preparePackets(network, int(fd)))
		})
		return errors.Join(err, bindErr)
	}})
	return err
}

// packetBuffer holds some thousand queries, octets: a station that floods the resolver for as long as the daemon does not
// get a processor must not push out the one query of another.
const packetBuffer = 4 << 20

// preparePackets has a packet socket tell where packets were sent to, and gives it room.
func preparePackets(network string, fd int) error {
	switch network {
	case "udp6":
		return errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1), roomy(fd))
	case "udp4":
		return errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1), roomy(fd))
	}
	return nil
}

func roomy(fd int) error {
	err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, packetBuffer)
	if errors.Is(err, unix.EPERM) { // root of a container only: what the kernel lets everybody have must do
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, packetBuffer)
	}
	return err
}

// close is for a start that failed; Run closes by itself.
func (d *doorway) close() error {
	if d.service == nil {
		return nil
	}
	return d.service.Close()
}

// Run serves until ctx ends, and opens again when the interface was made anew: the old sockets are bound to the old one.
func (d *doorway) Run(ctx context.Context) error {
	for {
		if err := d.serve(ctx); err != nil || ctx.Err() != nil {
			return err
		}
		d.logger.Info("interface is gone; the "+d.name+" opens again when it is back", "interface", d.iface)
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
	go func() { served <- d.service.serve(serving) }()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case err := <-served:
			return err
		case <-tick.C:
			// Not net's, which reads all interfaces to find one: a bridge may have hundreds of ports.
			if l, err := netlink.LinkByName(d.iface); err != nil || l.Attrs().Index != d.index {
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

// portalOpener opens the port of the guests' pages.
type portalOpener struct {
	portal *portal.Portal
	port   uint16
}

func (o portalOpener) open(ctx context.Context, l *net.ListenConfig) (service, error) {
	ln, err := listen(ctx, l, o.port, "portal.http_port")
	if err != nil {
		return nil, err
	}
	return portalService{ln, o.portal}, nil
}

type portalService struct {
	net.Listener
	portal *portal.Portal
}

func (s portalService) serve(ctx context.Context) error { return s.portal.Serve(ctx, s.Listener) }

// httpsOpener opens the port of the guests' pages over HTTPS.
type httpsOpener struct {
	portal *portal.Portal
	port   uint16
	tls    *tls.Config
}

func (o httpsOpener) open(ctx context.Context, l *net.ListenConfig) (service, error) {
	ln, err := listen(ctx, l, o.port, "portal.https_port")
	if err != nil {
		return nil, err
	}
	return httpsService{ln, o}, nil
}

type httpsService struct {
	net.Listener
	httpsOpener
}

func (s httpsService) serve(ctx context.Context) error {
	return s.portal.ServeTLS(ctx, s.Listener, s.tls)
}

// dnsOpener opens the port to which captive stations' queries are led.
type dnsOpener struct {
	forwarder *dns.Forwarder
	zone      string
	port      uint16
}

func (o dnsOpener) open(ctx context.Context, l *net.ListenConfig) (service, error) {
	ln, err := listen(ctx, l, o.port, "dns.port")
	if err != nil {
		return nil, err
	}
	packets, err := l.ListenPacket(ctx, "udp", portOnly(o.port))
	if err != nil {
		return nil, errors.Join(inUse(err, o.port, "dns.port"), ln.Close())
	}
	return dnsService{ln, packets.(*net.UDPConn), o}, nil
}

type dnsService struct {
	net.Listener
	packets *net.UDPConn
	dnsOpener
}

func (s dnsService) Close() error { return errors.Join(s.Listener.Close(), s.packets.Close()) }

func (s dnsService) serve(ctx context.Context) error {
	return s.forwarder.Serve(ctx, s.zone, s.packets, s.Listener)
}

func listen(ctx context.Context, l *net.ListenConfig, port uint16, key string) (net.Listener, error) {
	ln, err := l.Listen(ctx, "tcp", portOnly(port))
	return ln, inUse(err, port, key)
}

func portOnly(port uint16) string { return ":" + strconv.Itoa(int(port)) }

// inUse says in the operator's words that a port is taken.
func inUse(err error, port uint16, key string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Errorf("port %d is in use by another program: stop it, or choose another %s", port, key)
	}
	return fmt.Errorf("opening %s: %w", key, err)
}
