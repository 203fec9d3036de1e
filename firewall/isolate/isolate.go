package isolate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"gatehouse/firewall/table"
	"gatehouse/internal/clock"
	"gatehouse/sessions"
)

// Zone is what isolation must know of a zone.
type Zone struct {
	Name       string   // a name that nftables takes
	Interfaces []string // bridges, VLANs on bridges, or anything else, where there is nothing to do
	Isolated   bool     // false: stations may reach one another
	Shared     []Shared // all stations may reach these
	Casting    bool     // the stations of an account may reach one another
}

// exceptions tells whether some stations may reach others.
func (z Zone) exceptions() bool { return z.Casting || len(z.Shared) > 0 }

// Shared is a device that all stations of the zone may reach, and that may reach them.
type Shared struct {
	MAC sessions.MAC
	// Port is the bridge port behind which it is. Elsewhere the address counts for nothing. Empty: any.
	Port string
}

// Config is what Around needs.
type Config struct {
	Zones  []Zone
	Clock  clock.Clock  // must not be nil, unless nothing but CleanUp is called
	Logger *slog.Logger // must not be nil
	NFT    string       // path of the nft program. Default: nft, by PATH
}

// Kind is a way of isolating.
type Kind string

// The ways.
const (
	// Ports isolates every port of the bridge, without exceptions.
	Ports Kind = "ports"
	// Table has rules for what passes between ports.
	Table Kind = "table"
	// None isolates nothing, because it cannot.
	None Kind = "none"
	// Off isolates nothing, because the zone says so.
	Off Kind = "off"
)

// Mechanism says how the stations behind one interface of a zone are isolated, and why so.
type Mechanism struct {
	Zone      string
	Interface string
	Kind      Kind
	Why       string
}

// Isolator is a sessions.Enforcer that isolates stations besides what another one does, in the network namespace in which
// Around was called.
type Isolator struct {
	sessions.Enforcer
	cfg Config

	mu      sync.Mutex
	tc      *netlink.Handle
	route   table.Sockets // for what tc cannot do
	nft     *table.Table
	members map[string]*members       // by zone
	blocked map[string][]sessions.MAC // by zone

	segments  []*segment
	installed string   // rules that the table has; empty: none
	parts     []string // of the table after it was made
	noTable   error    // why there can be no rules; nil: there can be, or nobody has tried
	noFlag    bool     // the kernel does not know isolated ports
	flagKnown bool     // it does
}

// segment is one interface of a zone and the ports of its bridge.
type segment struct {
	zone    *Zone
	name    string
	set     string // of its ports
	bare    string // set of the ports that untagged holds
	index   int    // of the interface; 0: it is away
	bridge  int    // index of the bridge; 0: none
	vlan    int    // of the bridge that the stations are in; 0: all of it
	filters bool   // the bridge itself gives VLANs to ports, and takes tags off
	mac     sessions.MAC
	routers []netip.Addr // addresses of the router there
	ports   []string
	// untagged are the ports at which the bridge takes the tag of the VLAN off, before rules see the frame.
	untagged []string
	kind     Kind
	why      string
	told     Mechanism // in the log
}

var _ sessions.Enforcer = (*Isolator)(nil)

// Around opens the way to the kernel and changes nothing. Reconcile and Run may run the nft program and must be called in
// the same network namespace. Call Close at the end.
func Around(inner sessions.Enforcer, cfg Config) (*Isolator, error) {
	tc, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("opening netlink: %w", err)
	}
	i := &Isolator{Enforcer: inner, cfg: cfg, tc: tc, members: make(map[string]*members, len(cfg.Zones))}
	if i.route, err = table.Dial(unix.NETLINK_ROUTE); err == nil {
		i.nft, err = table.Open(unix.NFPROTO_BRIDGE, cmp.Or(cfg.NFT, "nft"))
	}
	if err != nil {
		tc.Close()
		i.route.Close()
		return nil, err
	}
	for n := range cfg.Zones {
		z := &cfg.Zones[n]
		i.members[z.Name] = newMembers()
		for k, name := range z.Interfaces {
			i.segments = append(i.segments, &segment{zone: z, name: name,
				set: fmt.Sprintf("ports_%s_%d", z.Name, k), bare: fmt.Sprintf("untagged_%s_%d", z.Name, k)})
		}
	}
	return i, nil
}

// Close closes the sockets. The kernel goes on isolating. The inner Enforcer stays as it is.
func (i *Isolator) Close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.tc.Close()
	i.route.Close()
	i.nft.Close()
}

// Mechanisms says for each interface of each zone how its stations are isolated, and why so.
func (i *Isolator) Mechanisms() []Mechanism {
	i.mu.Lock()
	defer i.mu.Unlock()
	out := make([]Mechanism, len(i.segments))
	for n, s := range i.segments {
		out[n] = s.mechanism()
	}
	return out
}

func (s *segment) mechanism() Mechanism {
	return Mechanism{Zone: s.zone.Name, Interface: s.name, Kind: s.kind, Why: s.why}
}

// Reconcile implements sessions.Enforcer. That stations cannot be isolated is told, and no error: they would all be off.
func (i *Isolator) Reconcile(ctx context.Context, want []sessions.Grant) error {
	if err := i.Enforcer.Reconcile(ctx, want); err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, m := range i.members {
		m.forget()
	}
	for _, g := range want {
		i.join(g)
	}
	i.installed, i.noTable = "", nil // the pairs are made anew
	i.install(ctx)
	return nil
}

// Admit implements sessions.Enforcer.
func (i *Isolator) Admit(ctx context.Context, grants ...sessions.Grant) error {
	if err := i.Enforcer.Admit(ctx, grants...); err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, g := range grants {
		i.change(g.Station.Zone, i.join(g))
	}
	return nil
}

// Cut implements sessions.Enforcer.
func (i *Isolator) Cut(ctx context.Context, stations ...sessions.Station) ([]sessions.Reading, error) {
	readings, err := i.Enforcer.Cut(ctx, stations...)
	if err != nil {
		return readings, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, st := range stations {
		if m := i.members[st.Zone]; m != nil {
			i.change(st.Zone, m.leave(st.MAC))
		}
	}
	return readings, nil
}

// SetBlocked implements sessions.Enforcer: exceptions are not for blocked stations.
func (i *Isolator) SetBlocked(ctx context.Context, stations []sessions.Station) error {
	if err := i.Enforcer.SetBlocked(ctx, stations); err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	was := i.blocked
	i.blocked = make(map[string][]sessions.MAC, len(was))
	for _, st := range stations {
		i.blocked[st.Zone] = append(i.blocked[st.Zone], st.MAC)
	}
	for _, z := range i.withRules() {
		if !i.hasSet(blockedPrefix + z.Name) {
			continue
		}
		if err := i.nft.Replace(blockedPrefix+z.Name, macElements(was[z.Name]), macElements(i.blocked[z.Name])); err != nil {
			return fmt.Errorf("isolating blocked stations: %w", err)
		}
	}
	return nil
}

// CleanUp implements sessions.Enforcer. It needs no zones.
func (i *Isolator) CleanUp(ctx context.Context) error {
	i.mu.Lock()
	i.installed = ""
	err := i.nft.Remove()
	marked, listErr := i.marked()
	err = errors.Join(err, listErr)
	for _, index := range marked {
		err = errors.Join(err, i.release(index))
	}
	i.mu.Unlock()
	return errors.Join(err, i.Enforcer.CleanUp(ctx))
}

// join notes whose station a grant makes it, and returns what is to change for the pairs of the zone.
func (i *Isolator) join(g sessions.Grant) changes {
	m := i.members[g.Station.Zone]
	if m == nil { // the inner enforcer refuses it
		return nil
	}
	if !slices.ContainsFunc(i.segments, func(s *segment) bool {
		return s.zone.Name == g.Station.Zone && s.zone.Isolated && s.zone.Casting
	}) {
		return nil
	}
	return m.join(g, i.cfg.Clock.Mono())
}
