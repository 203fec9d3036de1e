package lab

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Host is one machine of the lab: a network namespace.
type Host struct {
	Name string // of the namespace, as `ip netns` lists it inside the lab
	lab  *Lab
	ns   netns.NsHandle
	nl   *netlink.Handle // for set-up
}

// newHost makes a network namespace with a name and its loopback interface up.
func newHost(lab *Lab, name string) (*Host, error) {
	h := &Host{Name: lab.id + "-" + name, lab: lab, ns: -1}
	if err := onOwnThread(h.create); err != nil {
		return nil, fmt.Errorf("making namespace %s: %w", h.Name, err)
	}
	nl, err := netlink.NewHandleAt(h.ns, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening netlink in %s: %w", h.Name, err), h.close())
	}
	h.nl = nl
	if err := h.up("lo"); err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

func (h *Host) create() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	path := h.path()
	if err := os.WriteFile(path, nil, 0o400); err != nil {
		return err
	}
	if err := unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	var err error
	h.ns, err = netns.GetFromPath(path)
	return err
}

func (h *Host) path() string { return filepath.Join(netnsDir, h.Name) }

func (h *Host) close() error {
	if h.nl != nil {
		h.nl.Close()
	}
	return errors.Join(h.ns.Close(), unix.Unmount(h.path(), unix.MNT_DETACH), os.Remove(h.path()))
}

// Do calls f on a thread inside the namespace. Sockets that f opens stay in the namespace, wherever they are used later.
// What f starts (goroutines) runs outside.
func (h *Host) Do(f func() error) error {
	return onOwnThread(func() error {
		if err := netns.Set(h.ns); err != nil {
			return fmt.Errorf("entering namespace %s: %w", h.Name, err)
		}
		return f()
	})
}

// onOwnThread calls f on a thread that ends with it, whatever f did to the thread.
func onOwnThread(f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the runtime ends the thread
		if unix.Gettid() == unix.Getpid() {
			// The first thread of a process cannot end and would keep the namespace for ever: leave it clean.
			result <- onOwnThread(f)
			runtime.UnlockOSThread()
			return
		}
		result <- f()
	}()
	return <-result
}

// Command is exec.CommandContext for a program inside the namespace.
func (h *Host) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + h.path(), "--", name}, args...)...)
}

// Run runs a program inside the namespace to its end. The error carries what the program said.
func (h *Host) Run(ctx context.Context, name string, args ...string) (string, error) {
	out, err := h.Command(ctx, name, args...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("running %s in %s: %w\n%s", name, h.Name, err, out)
	}
	return string(out), nil
}

// Listen is net.Listen inside the namespace, for literal addresses.
func (h *Host) Listen(ctx context.Context, network, addr string) (l net.Listener, err error) {
	err = h.Do(func() (err error) {
		l, err = new(net.ListenConfig).Listen(ctx, network, addr)
		return err
	})
	return l, err
}

// ListenPacket is net.ListenPacket inside the namespace, for literal addresses.
func (h *Host) ListenPacket(ctx context.Context, network, addr string) (p net.PacketConn, err error) {
	err = h.Do(func() (err error) {
		p, err = new(net.ListenConfig).ListenPacket(ctx, network, addr)
		return err
	})
	return p, err
}

// Dial is net.Dialer.DialContext inside the namespace, for literal addresses.
func (h *Host) Dial(ctx context.Context, network, addr string) (c net.Conn, err error) {
	err = h.Do(func() (err error) {
		// Without a fallback the dialer opens its socket on this very thread.
		c, err = (&net.Dialer{FallbackDelay: -1}).DialContext(ctx, network, addr)
		return err
	})
	return c, err
}

// HTTPClient returns a client inside the namespace for URLs with literal addresses. It follows no redirect, keeps no
// connection, trusts the lab's certificate authority and gives up after 10 s.
func (h *Host) HTTPClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:       h.Dial,
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{RootCAs: h.lab.CA},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       10 * time.Second,
	}
}

// Sysctl writes kernel settings of the namespace: names with slashes, below /proc/sys, and values.
func (h *Host) Sysctl(values map[string]string) error {
	return h.Do(func() error {
		for name, value := range values {
			if err := os.WriteFile("/proc/sys/"+name, []byte(value), 0o644); err != nil {
				return fmt.Errorf("setting %s in %s: %w", name, h.Name, err)
			}
		}
		return nil
	})
}
