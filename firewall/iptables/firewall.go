package iptables

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"gatehouse/internal/clock"
	"gatehouse/sessions"
)

const (
	defaultPortalHTTPPort = 2080
	dnsPort               = 53
)

// errLost says that something of ours is not in the kernel any more.
var errLost = errors.New("it was removed by somebody else")

// base is what keepers work with.
type base struct {
	zones     []Zone
	families  []*family
	netfilter netfilter
	clock     clock.Clock
	logger    *slog.Logger
	grants    func() []*grant // all that there are
}

// Firewall is sessions.Enforcer over the chains gatehouse_… of the network namespace in which New was called. All calls must
// be made there.
type Firewall struct {
	cfg Config
	*base
	keeper keeper
	why    string // the keeper was chosen

	mu    sync.Mutex
	ready bool // Reconcile has succeeded
	known bool // the fields below tell what the kernel has

	grants map[id]*grant
	// of are a station's grants, the one that it got last at the end; those before it have ended and wait for Release.
	of      map[sessions.Station][]*grant
	lastID  id
	blocked map[string][]sessions.MAC // by zone
	watch   watcher
}

var _ sessions.Enforcer = (*Firewall)(nil)

// New finds the programs and what the kernel can. Call Close at the end. The error wraps ErrNoPrograms where iptables or
// ip6tables of the legacy kind is missing.
func New(cfg Config) (*Firewall, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	cfg.PortalHTTPPort = cmp.Or(cfg.PortalHTTPPort, defaultPortalHTTPPort)
	cfg.DNSPort = cmp.Or(cfg.DNSPort, dnsPort)
	f := &Firewall{cfg: cfg, base: &base{zones: cfg.Zones, logger: cfg.Logger}}
	f.base.grants = func() []*grant { return slices.Collect(maps.Values(f.grants)) }
	f.forgetState()
	var err error
	if f.families, err = findPrograms(""); err != nil {
		return nil, err
	}
	if f.clock, err = clock.System(); err != nil {
		return nil, err
	}
	if f.netfilter, err = openNetfilter(); err != nil {
		return nil, err
	}
	if err := f.watch.open(); err != nil {
		f.netfilter.close()
		return nil, err
	}
	f.choose()
	return f, nil
}

// choose takes the better keeper that the kernel allows.
func (f *Firewall) choose() {
	err := errors.New("asked for")
	if !f.cfg.NoSets {
		err = f.trySets()
	}
	if err == nil {
		f.keeper, f.why = &sets{base: f.base}, "ipset hash:mac: constant cost per packet, sessions end in the kernel"
		return
	}
	f.keeper = &plain{base: f.base, heard: map[id]heard{}}
	f.why = fmt.Sprintf("a rule per station, without ipset hash:mac (%v): packets cost more with every station, and sessions end "+
		"by time or silence only while the daemon runs", err)
}

// Mechanism says how stations are kept, and why so.
func (f *Firewall) Mechanism() string { return f.why }

// Close closes the sockets. The kernel goes on enforcing.
func (f *Firewall) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.netfilter.close()
	return f.watch.close()
}

func (f *Firewall) forgetState() {
	f.ready, f.known = false, false
	f.grants, f.of = map[id]*grant{}, map[sessions.Station][]*grant{}
}
