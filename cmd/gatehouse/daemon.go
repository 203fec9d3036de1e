package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"gatehouse/admin"
	"gatehouse/certs"
	"gatehouse/config"
	"gatehouse/dns"
	"gatehouse/firewall/isolate"
	"gatehouse/firewall/nftables"
	"gatehouse/firewall/shape"
	"gatehouse/internal/clock"
	"gatehouse/internal/hostapd"
	"gatehouse/internal/neigh"
	"gatehouse/journal"
	"gatehouse/mirror"
	"gatehouse/portal"
	"gatehouse/sessions"
	gwsync "gatehouse/sync"
)

// daemonOptions are what a daemon needs.
type daemonOptions struct {
	Config   *config.Config
	File     string    // that Config was read from
	Settings *settings // of the centre, in Config already
	// Undressed is what the file leaves to the centre's organisation.
	Undressed undressed
	Logger    *slog.Logger
	// Step is called at every named point of a login and a logout. Default: nothing.
	Step func(point string)
}

// task is a part of the daemon that runs as long as the daemon does.
type task interface {
	fmt.Stringer
	Run(ctx context.Context) error
}

// gateway is the daemon put together.
type gateway struct {
	daemonOptions
	clock    clock.Clock
	control  *admin.Listener
	firewall firewall
	nftables *nftables.Firewall // firewall; nil: that is another backend
	backend  admin.Firewall
	noShaper error             // why there can be no shaper
	shaper   *shape.Shaper     // around firewall; nil: nobody holds rates
	held     sessions.Enforcer // shaper or firewall
	isolator *isolate.Isolator // around held
	hostapd  *hostapd.Disassociator
	journal  *journal.Journal
	mirror   *mirror.Mirror // nil without a centre
	sync     *gwsync.Sync   // nil without a centre
	neigh    *neigh.Table
	sniffer  *neigh.Sniffer
	manager  *sessions.Manager
	visits   *sessions.Visits
	keeper   *certs.Keeper // nil: the portal has no name
	ordered  *certs.Centre // nil: its certificate is not the centre's
	// certified is told of changes of the keeper's state.
	certified chan struct{}
	announced atomic.Bool // by DHCP
	doorways  []*doorway
	forwarder *dns.Forwarder

	began        time.Duration // Mono
	reconfigured chan struct{}
	closers      []func() error // in the order of opening
}

// daemon is the gateway from start to stop. It returns nil after ctx has ended and everything was brought to its end.
func daemon(ctx context.Context, o daemonOptions) (err error) {
	if o.Step == nil {
		o.Step = func(string) {}
	}
	g := &gateway{daemonOptions: o, reconfigured: make(chan struct{}, 1)}
	defer func() { err = errors.Join(err, g.close()) }()
	// What can fail for a reason outside comes before the first change to the kernel.
	for _, step := range []func(context.Context) error{
		g.checkMachine, g.claim, g.openStores, g.openKernel, g.buildSync, g.buildManager, g.keepCertificate, g.openDoorways, g.start,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := g.run(ctx); err != nil {
		return err
	}
	if slices.ContainsFunc(o.Config.Zones, func(z config.Zone) bool { return z.OnStop == config.StopOpen }) {
		return g.firewall.Open(context.WithoutCancel(ctx))
	}
	return nil
}

// checkMachine finds what the operator has to mend first.
func (g *gateway) checkMachine(context.Context) error {
	if err := mayAdministerNetwork(); err != nil {
		return err
	}
	for _, z := range g.Config.Zones {
		for _, name := range z.Interfaces {
			if _, err := net.InterfaceByName(name); err != nil {
				return fmt.Errorf("zone %s: there is no interface %s; make it first, or mend interfaces in the configuration (\"ip link\" lists what there is)", z.Name, name)
			}
		}
	}
	var err error
	if g.clock, err = clock.System(); err == nil {
		g.began = g.clock.Mono()
	}
	return err
}

// claim takes the control socket, and with it the right to be the daemon.
func (g *gateway) claim(context.Context) (err error) {
	g.control, err = admin.Listen(g.Config.RuntimeDir, g.Config.ControlGroup)
	if err == nil {
		g.onClose(g.control.Unlock)
		g.onClose(func() error { _ = g.control.Close(); return nil }) // its server has closed it, unless the start failed
	}
	return err
}

func (g *gateway) openStores(ctx context.Context) error {
	if err := os.MkdirAll(g.Config.StateDir, 0o700); err != nil {
		return fmt.Errorf("making state_dir: %w; name a folder that this user may write", err)
	}
	var err error
	g.journal, err = journal.Open(ctx, filepath.Join(g.Config.StateDir, "journal.db"),
		journal.Options{Standalone: g.Config.Centre == nil, Logger: g.Logger, Step: g.Step})
	if err != nil {
		return err
	}
	g.onClose(g.journal.Close)
	if g.Config.Centre == nil {
		return nil
	}
	if g.mirror, err = mirror.Open(ctx, filepath.Join(g.Config.StateDir, "mirror.db"), g.Logger); err != nil {
		return err
	}
	g.onClose(g.mirror.Close)
	return nil
}

func (g *gateway) openKernel(ctx context.Context) (err error) {
	var interfaces []string
	for _, z := range g.Config.Zones {
		interfaces = append(interfaces, z.Interfaces...)
	}
	if err := g.openFirewall(ctx); err != nil {
		return err
	}
	if err := g.openShaper(); err != nil {
		return err
	}
	if err := g.openIsolator(); err != nil {
		return err
	}
	g.sniffer, err = neigh.NewSniffer(neigh.SnifferConfig{Interfaces: interfaces, Heard: g.seen, Suspected: g.suspected,
		Kept: g.online, Mono: g.clock.Mono, Log: g.Logger})
	if errors.Is(err, neigh.ErrRaw) {
		return errNoRaw
	}
	if err != nil {
		return err
	}
	g.onClose(func() error { g.sniffer.Close(); return nil })
	g.neigh, err = neigh.New(neigh.Config{Interfaces: interfaces, Changed: g.seen, Moved: g.sniffer.Moved, Log: g.Logger})
	if err != nil {
		return err
	}
	g.onClose(func() error { g.neigh.Close(); return nil })
	return nil
}

func (g *gateway) buildManager(context.Context) error {
	g.hostapd = hostapd.New(g.Logger)
	g.visits = sessions.NewVisits(sessions.VisitsConfig{
		Clock: g.clock, Store: g.journal, Believable: believable(), SaveEvery: g.Config.PersistInterval, Logger: g.Logger,
	})
	c := sessions.Config{
		Clock: g.clock, Enforcer: g.isolator, Store: g.journal, Trials: g.journal, Local: g.journal, Verifiers: g.journal, Passwords: g.journal, Logger: g.Logger,
		Zones: g.domainZones(), NASID: g.Config.NASID, NASIP: g.Config.NASIP.String(),
		Believable: believable(), TimeZone: g.Config.TimeZone, PersistInterval: g.Config.PersistInterval, PortOf: g.portOf, MovedAt: g.movedAt,
		Vouchers: g.journal, Stays: g.journal, Ended: g.ended, Step: g.Step, Visits: g.visits,
	}
	if g.sync != nil {
		c.Mirror, c.Vouchers, c.Orders, c.Queued = g.mirror, g.mirror, g.journal, g.sync.Pusher.Wake
		c.InReach = g.sync.InReach
		c.Authority, c.Provers = g.sync.Authority, g.sync.Authority
		c.VerifierMaxAge = g.Config.Centre.VerifierMaxAge
	}
	if g.nftables != nil {
		c.Reaches = reaches{g}
	}
	g.manager = sessions.New(c)
	return nil
}

// loopback is where the router itself, and whoever watches over it there, looks at the portal.
const loopback = "lo"

// openDoorways opens the ports of the portal and of the DNS forwarder on every interface. Nobody is answered before the tasks run.
func (g *gateway) openDoorways(ctx context.Context) error {
	var apiTokens func(string) bool // nil: no API
	if path := g.Config.Portal.APITokens; path != "" {
		apiTokens = trusted(path, g.Logger)
	}
	p := portal.New(portal.Config{
		Trusted: apiTokens,
		Manager: g.manager, Devices: g.manager, Identify: g.identify, Forget: g.forget, Clock: g.clock, Logger: g.Logger, TimeZone: g.Config.TimeZone,
		Authority: g.authority, Secure: g.secure, PortalAddr: g.addressIn, Venues: g.venues(), Providers: g.providers, WISPr: g.wispr(), Step: g.Step,
		Visits: g.visits, After: g.after(),
	})
	pages := portalOpener{p, g.Config.Portal.HTTPPort}
	g.doorways = []*doorway{{iface: loopback, name: "portal", opener: pages, logger: g.Logger}}
	g.forwarder = dns.New(dns.Config{
		Upstream: g.Config.DNS.Upstream, Names: g.gardenNames(), Identify: g.stationAt, Learn: g.learn, LearnReach: g.learnReach,
		Own: g.portalName, OwnAddrs: g.addressesIn,
		Clock: g.clock, Logger: g.Logger,
	})
	for _, z := range g.Config.Zones {
		for _, name := range z.Interfaces {
			if g.keeper != nil {
				g.doorways = append(g.doorways, &doorway{iface: name, name: "portal over HTTPS", logger: g.Logger,
					opener: httpsOpener{p, g.Config.Portal.HTTPSPort, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: g.keeper.Certificate}}})
			}
			g.doorways = append(g.doorways,
				&doorway{iface: name, name: "portal", opener: pages, logger: g.Logger},
				&doorway{iface: name, name: "DNS forwarder", opener: dnsOpener{g.forwarder, z.Name, g.Config.DNS.Port}, logger: g.Logger})
		}
	}
	for _, d := range g.doorways {
		if err := d.open(ctx); err != nil {
			return err
		}
		g.onClose(func() error { _ = d.close(); return nil }) // closed already, unless the start failed
	}
	return nil
}

// start changes the kernel: adopts what an earlier run left there.
func (g *gateway) start(ctx context.Context) error {
	g.clearOther(ctx)
	err := g.manager.Start(ctx)
	switch {
	case errors.Is(err, nftables.ErrPermission):
		return errNoPermission
	case errors.Is(err, nftables.ErrNoNFT):
		return errNoNFT
	}
	return err
}

// run runs all tasks until ctx ends or one of them fails.
func (g *gateway) run(ctx context.Context) error {
	group, running := errgroup.WithContext(ctx)
	for _, t := range g.tasks() {
		group.Go(func() error {
			if err := t.Run(running); err != nil {
				return fmt.Errorf("%s: %w", t, err)
			}
			return nil
		})
	}
	debug.FreeOSMemory() // the start needs more than the run
	g.Logger.Info("ready", "version", versionName(), "zones", len(g.Config.Zones), "sessions", len(g.manager.Sessions()))
	notify(stateReady)
	defer context.AfterFunc(running, func() {
		if errors.Is(context.Cause(running), errReconfigured) {
			notify(stateReloading)
			return
		}
		notify(stateStopping)
	})()
	begun := g.clock.Mono()
	err := group.Wait()
	g.Logger.Info("stopped", "after", (g.clock.Mono() - begun).Round(time.Second))
	return err
}

func (g *gateway) onClose(f func() error) { g.closers = append(g.closers, f) }

// close closes what was opened, the last first.
func (g *gateway) close() error {
	var errs []error
	for _, f := range slices.Backward(g.closers) {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}
