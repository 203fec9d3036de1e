package lab

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// Options say what a lab has beside the ordinary.
type Options struct {
	ExtraBridges []Bridge // of the gateway, beside GuestBridge
	DNSMasq      []string // further lines of dnsmasq's configuration
}

// Bridge is a further network of the gateway.
type Bridge struct {
	Name string       // of the interface, at most 15 bytes
	Net4 netip.Prefix // the gateway's address in it, as in 192.168.90.1/24
	Net6 netip.Prefix // likewise, a /64; not valid for none
	DHCP bool         // dnsmasq serves DHCP (and RA, with Net6) there; 24 bits of Net4 at most
}

// Lab is a running topology. Its methods may be called from many goroutines.
type Lab struct {
	Dir     string         // the lab's own temporary folder, in memory
	WAN     *Host          // the internet
	Gateway *Host          // the router, without any firewall
	CA      *x509.CertPool // who signed the internet's HTTPS certificate
	CAFile  string         // the same as a PEM file
	DNSMasq *Process       // of the gateway

	authority    *x509.Certificate
	authorityKey *ecdsa.PrivateKey

	id      string
	ctx     context.Context // the base of all that runs in the lab
	cancel  context.CancelFunc
	servers sync.WaitGroup
	number  atomic.Int32 // of the last station

	mu        sync.Mutex
	hosts     []*Host
	processes map[*Process]struct{}
}

// New builds a lab with the internet and the gateway running. The lab ends with ctx or by Close; call Close in any case.
func New(ctx context.Context, options Options) (*Lab, error) {
	if err := whyNotIsolated(); err != nil {
		return nil, fmt.Errorf("no lab can be built: %w", err)
	}
	dir, err := os.MkdirTemp("", "lab-")
	if err != nil {
		return nil, fmt.Errorf("making the lab's folder: %w", err)
	}
	l := &Lab{Dir: dir, id: filepath.Base(dir), processes: map[*Process]struct{}{}}
	l.ctx, l.cancel = context.WithCancel(ctx)
	if err := l.build(options); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Lab) build(options Options) (err error) {
	if l.WAN, err = l.newHost("wan"); err != nil {
		return err
	}
	if l.Gateway, err = l.newHost("gw"); err != nil {
		return err
	}
	bridges := append([]Bridge{guestBridge()}, options.ExtraBridges...)
	if err := l.buildGateway(bridges); err != nil {
		return fmt.Errorf("building the gateway: %w", err)
	}
	if err := l.connectWAN(); err != nil {
		return fmt.Errorf("connecting the internet: %w", err)
	}
	if err := l.serveInternet(); err != nil {
		return fmt.Errorf("starting the internet: %w", err)
	}
	return l.startDNSMasq(bridges, options.DNSMasq)
}

// Close ends all processes and servers of the lab and removes its namespaces and files.
func (l *Lab) Close() error {
	l.cancel()
	l.mu.Lock()
	processes := make([]*Process, 0, len(l.processes))
	for p := range l.processes {
		processes = append(processes, p)
	}
	hosts := l.hosts
	l.hosts = nil
	l.mu.Unlock()
	for _, p := range processes {
		p.Kill()
	}
	l.servers.Wait()
	var errs []error
	for _, h := range hosts {
		errs = append(errs, h.close())
	}
	if err := errors.Join(append(errs, os.RemoveAll(l.Dir))...); err != nil {
		return fmt.Errorf("closing the lab: %w", err)
	}
	return nil
}

func (l *Lab) newHost(name string) (*Host, error) {
	h, err := newHost(l, name)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hosts = append(l.hosts, h)
	return h, nil
}

// forget closes a host before the lab ends.
func (l *Lab) forget(h *Host) error {
	l.mu.Lock()
	for i, other := range l.hosts {
		if other == h {
			l.hosts = append(l.hosts[:i:i], l.hosts[i+1:]...)
			l.mu.Unlock()
			return h.close()
		}
	}
	l.mu.Unlock()
	return nil
}

func (l *Lab) track(p *Process) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.processes[p] = struct{}{}
}

func (l *Lab) untrack(p *Process) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.processes, p)
}
