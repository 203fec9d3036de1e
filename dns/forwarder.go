package dns

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"gatehouse/internal/clock"
	"gatehouse/sessions"
)

// Bounds of how long a learned address is open. A phone's page goes on fetching after a short TTL is over.
const (
	shortestTTL = 10 * time.Minute
	longestTTL  = 24 * time.Hour
)

// complainEvery keeps a resolver that is away, or a full set, from filling the log.
const complainEvery = time.Minute

// Config is what a Forwarder needs. Nothing of it may be missing unless it says so.
type Config struct {
	Upstream netip.AddrPort // the router's resolver
	// Names are the walled garden's names by zone: small letters, no dot at the end; "*." in front means every name below.
	Names map[string][]string
	// Own is the portal's name as of now, small letters without a dot at the end, and OwnAddrs are the gateway's addresses in a zone:
	// the answer to that name. Empty, or a nil Own: there is none.
	Own      func() string
	OwnAddrs func(zone string) []netip.Addr
	// Identify tells which station has an address.
	Identify func(remote netip.Addr) (sessions.Station, bool)
	// Learn opens addresses of garden names for a zone's captive stations, for so long; it returns when that is so.
	Learn func(ctx context.Context, zone string, ttls map[netip.Addr]time.Duration) error
	// LearnReach opens addresses of the names of OpenReach, for the station alone.
	LearnReach func(ctx context.Context, st sessions.Station, addrs []netip.Addr) error
	Clock      clock.Clock
	Logger     *slog.Logger
}

// Forwarder answers stations by asking the router's resolver. It is safe for concurrent use.
type Forwarder struct {
	cfg      Config
	gardens  map[string]garden
	stations *stations

	mu         sync.Mutex
	reaches    map[sessions.Station]reach
	complained map[string]time.Duration // Mono
}

// New makes a Forwarder; it opens nothing.
func New(cfg Config) *Forwarder {
	f := &Forwarder{cfg: cfg, gardens: map[string]garden{}, stations: newStations(cfg.Clock), complained: map[string]time.Duration{},
		reaches: map[sessions.Station]reach{}}
	if cfg.Own == nil {
		f.cfg.Own = func() string { return "" }
	}
	for zone, names := range cfg.Names {
		f.gardens[zone] = newGarden(names)
	}
	return f
}

// Serve answers what comes in by a packet socket and a listener of one zone, and closes both, until ctx ends. The packet
// socket must report where packets were sent to (IPV6_RECVPKTINFO or IP_PKTINFO): answers leave from there. Serve may be
// called for several interfaces.
func (f *Forwarder) Serve(ctx context.Context, zone string, packets *net.UDPConn, ln net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		_ = packets.SetReadDeadline(time.Unix(1, 0)) // answers that are under way may still leave
		_ = ln.Close()
	})
	defer stop()
	streams := make(chan error, 1)
	go func() {
		streams <- f.serveStreams(ctx, zone, ln)
		cancel()
	}()
	err := f.servePackets(ctx, zone, packets)
	cancel()
	return errors.Join(err, <-streams, packets.Close())
}

// asker is the station behind an address. Those that nobody knows are one station: nobody can be many of them.
func (f *Forwarder) asker(zone string, remote netip.Addr) sessions.Station {
	if st, ok := f.cfg.Identify(remote); ok && st.Zone == zone {
		return st
	}
	return sessions.Station{Zone: zone}
}

// admit is the answer that a query gets without asking the resolver, or nil. Where ask is true, the resolver is to be
// asked, by resolve.
func (f *Forwarder) admit(who sessions.Station, query []byte) (a asked, answer []byte, ask bool) {
	q, code, ok := parseQuery(query)
	if !ok {
		return a, nil, false
	}
	w := weight(q.Type)
	st, v, first := f.stations.query(who, len(query), w)
	if first {
		f.cfg.Logger.Warn("a station asks for more names than a phone does", "station", who)
	}
	switch {
	case v == drop:
		return a, nil, false
	case v == refuse:
		return a, failure(query, dnsmessage.RCodeRefused), false
	case code != dnsmessage.RCodeSuccess:
		answer = failure(query, code)
		f.stations.done(st, len(answer), w)
		return a, answer, false
	}
	if name := f.cfg.Own(); name != "" && strings.EqualFold(strings.TrimSuffix(q.Name.String(), "."), name) {
		answer = own(query, q, f.cfg.OwnAddrs(who.Zone))
		f.stations.done(st, len(answer), w)
		return a, answer, false
	}
	return asked{who, q, st, w}, nil, true
}

// asked is a query that may be resolved.
type asked struct {
	who      sessions.Station
	question dnsmessage.Question
	by       *station
	weight   int
}

// resolve asks the resolver, and returns when the addresses of the answer are learned.
func (f *Forwarder) resolve(ctx context.Context, a asked, network string, query []byte) (reply []byte) {
	defer func() { f.stations.done(a.by, len(reply), a.weight) }()
	reply, err := f.exchange(ctx, network, query, a.question)
	if err != nil {
		if ctx.Err() == nil {
			f.complain("the router's resolver does not answer", "upstream", f.cfg.Upstream, slog.Any("error", err))
		}
		return failure(query, dnsmessage.RCodeServerFailure)
	}
	name, ttls := a.question.Name.String(), addresses(reply)
	if g, ok := f.gardens[a.who.Zone]; ok && len(ttls) > 0 && g.has(name) {
		if err := f.cfg.Learn(ctx, a.who.Zone, ttls); err != nil {
			f.complain("addresses of the walled garden stay closed", "zone", a.who.Zone, slog.Any("error", err))
		}
	}
	if err := f.learnReach(ctx, a.who, name, ttls); err != nil {
		f.complain("addresses of what a station signs in with stay closed", "station", a.who, slog.Any("error", err))
	}
	return reply
}

// complain warns, but not of the same thing all the time.
func (f *Forwarder) complain(what string, args ...any) {
	f.mu.Lock()
	last, known := f.complained[what]
	now := f.cfg.Clock.Mono()
	quiet := known && now-last < complainEvery
	if !quiet {
		f.complained[what] = now
	}
	f.mu.Unlock()
	if !quiet {
		f.cfg.Logger.Warn(what, args...)
	}
}

// garden tells which names are a zone's.
type garden struct {
	names map[string]bool
	below []string // with a dot in front
}

func newGarden(entries []string) garden {
	g := garden{names: map[string]bool{}}
	for _, e := range entries {
		if below, wild := strings.CutPrefix(e, "*"); wild {
			g.below = append(g.below, below)
			continue
		}
		g.names[e] = true
	}
	return g
}

func (g garden) has(name string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if g.names[name] {
		return true
	}
	for _, b := range g.below {
		if strings.HasSuffix(name, b) {
			return true
		}
	}
	return false
}
