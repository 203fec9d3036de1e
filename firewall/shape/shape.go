package shape

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"gatehouse/firewall/table"
	"gatehouse/sessions"
)

// ErrFull says that a zone has as many stations with a rate as classes.
var ErrFull = fmt.Errorf("no bandwidth class is free: %w", sessions.ErrEnforcerFull)

// Zone is what shaping must know of a zone.
type Zone struct {
	Name       string   // a name that nftables takes
	Interfaces []string // at least one
	// CapUp and CapDown bound what all stations of the zone have together, in fair shares; zero: no bound. CapDown holds
	// on each interface.
	CapUp, CapDown sessions.BitRate
}

// Config is what Around needs.
type Config struct {
	Zones  []Zone
	Logger *slog.Logger // must not be nil
	NFT    string       // path of the nft program. Default: nft, by PATH
}

// Shaper is a sessions.Enforcer that gives the grants of another one their rates, in the network namespace in which
// Around was called.
type Shaper struct {
	inner sessions.Enforcer
	cfg   Config

	mu    sync.Mutex
	tc    *netlink.Handle
	route table.Sockets // for what tc cannot do
	nft   *table.Table
	zones map[string]*zone
	ready bool // Reconcile has succeeded

	noCodel bool        // the kernel has no fq_codel
	told    []Mechanism // in the log, the last of each way
}

var _ sessions.Enforcer = (*Shaper)(nil)

// Around opens the way to the kernel and changes nothing. Reconcile and Admit may run the nft program and must be called
// in the same network namespace. Call Close at the end.
func Around(inner sessions.Enforcer, cfg Config) (*Shaper, error) {
	tc, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("opening netlink: %w", err)
	}
	s := &Shaper{inner: inner, cfg: cfg, tc: tc, zones: make(map[string]*zone, len(cfg.Zones))}
	if s.route, err = table.Dial(unix.NETLINK_ROUTE); err == nil {
		s.nft, err = table.Open(unix.NFPROTO_NETDEV, cmp.Or(cfg.NFT, "nft"))
	}
	if err != nil {
		tc.Close()
		s.route.Close()
		return nil, err
	}
	for i := range cfg.Zones {
		s.zones[cfg.Zones[i].Name] = newZone(cfg.Zones[i], i)
	}
	return s, nil
}

// Close closes the sockets. The kernel goes on shaping. The inner Enforcer stays as it is.
func (s *Shaper) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tc.Close()
	s.route.Close()
	s.nft.Close()
}

// Reconcile implements sessions.Enforcer.
func (s *Shaper) Reconcile(ctx context.Context, want []sessions.Grant) error {
	if err := s.reconcile(ctx, want); err != nil {
		return fmt.Errorf("shaping: %w", err)
	}
	return s.inner.Reconcile(ctx, want)
}

// Admit implements sessions.Enforcer.
func (s *Shaper) Admit(ctx context.Context, grants ...sessions.Grant) error {
	fresh, err := s.set(ctx, grants)
	if err == nil {
		err = s.inner.Admit(ctx, grants...)
	} else {
		err = fmt.Errorf("shaping: %w", err)
	}
	if err != nil && len(fresh) > 0 {
		err = errors.Join(err, s.forget(context.WithoutCancel(ctx), fresh))
	}
	return err
}

// Cut implements sessions.Enforcer.
func (s *Shaper) Cut(ctx context.Context, stations ...sessions.Station) ([]sessions.Reading, error) {
	readings, err := s.inner.Cut(ctx, stations...)
	if err != nil {
		return readings, err
	}
	if err := s.forget(ctx, stations); err != nil {
		// Nobody is let in or kept out by it, and the next Reconcile mends it.
		s.cfg.Logger.Warn("the class of a station that was cut is still there", "err", err)
	}
	return readings, nil
}

// Release implements sessions.Enforcer. The rates went with Cut.
func (s *Shaper) Release(ctx context.Context, stations ...sessions.Station) error {
	return s.inner.Release(ctx, stations...)
}

// SetBlocked implements sessions.Enforcer.
func (s *Shaper) SetBlocked(ctx context.Context, stations []sessions.Station) error {
	return s.inner.SetBlocked(ctx, stations)
}

// Usage implements sessions.Enforcer.
func (s *Shaper) Usage(ctx context.Context) ([]sessions.Reading, error) {
	readings, err := s.inner.Usage(ctx)
	if err != nil {
		return readings, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ready {
		return readings, nil
	}
	if lost := s.lost(); lost != nil {
		s.ready = false
		return nil, fmt.Errorf("%w: shaping: %w", sessions.ErrEnforcerLost, lost)
	}
	return readings, nil
}

// CleanUp implements sessions.Enforcer.
func (s *Shaper) CleanUp(ctx context.Context) error {
	s.mu.Lock()
	s.ready = false
	for _, z := range s.zones {
		z.forget()
	}
	err := errors.Join(s.nft.Remove(), s.removeQueues(nil))
	s.mu.Unlock()
	return errors.Join(err, s.inner.CleanUp(ctx))
}

// set gives stations the rates of their grants, all or none. fresh are those that had no class before.
func (s *Shaper) set(ctx context.Context, grants []sessions.Grant) (fresh []sessions.Station, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range grants {
		z := s.zones[g.Station.Zone]
		if z == nil {
			continue // the inner enforcer refuses it
		}
		_, known := z.slots[g.Station.MAC]
		if !z.needs(g) {
			if known {
				err = s.drop(ctx, z, g.Station.MAC)
			}
		} else if err = s.put(ctx, z, g); !known {
			fresh = append(fresh, g.Station)
		}
		if err != nil {
			return fresh, err
		}
	}
	return fresh, nil
}

// put gives a station its classes, then has its packets go there.
func (s *Shaper) put(ctx context.Context, z *zone, g sessions.Grant) error {
	if !z.attached {
		if err := s.attach(ctx, z); err != nil {
			return err
		}
	}
	was, known := z.slots[g.Station.MAC]
	now := slot{up: g.RateUp, down: g.RateDown}
	if known && was.up == now.up && was.down == now.down {
		return nil
	}
	if now.minor = was.minor; !known {
		var ok bool
		if now.minor, ok = z.take(); !ok {
			return fmt.Errorf("zone %s: %w", z.Name, ErrFull)
		}
	}
	z.slots[g.Station.MAC] = now
	for _, d := range z.directions() {
		if err := s.putDirection(d, g.Station.MAC, was, now, known); err != nil {
			return fmt.Errorf("zone %s, %s: %w", z.Name, d.way, err)
		}
	}
	return nil
}

// putDirection makes one way of a station what now says.
func (s *Shaper) putDirection(d *direction, mac sessions.MAC, was, now slot, known bool) error {
	had := known && d.shapes(was)
	switch has := d.shapes(now); {
	case d.kind == HTB && has:
		if err := s.putClass(d, now); err != nil || had {
			return err
		}
		return s.nft.Add(d.set, classElement(mac, now.minor))
	case d.kind == Limit && has:
		if had {
			return s.nft.Replace(d.set, []table.Element{limitElement(mac, d.rate(was))}, []table.Element{limitElement(mac, d.rate(now))})
		}
		return s.nft.Add(d.set, limitElement(mac, d.rate(now)))
	case had:
		return s.dropDirection(d, mac, was)
	}
	return nil
}

func (s *Shaper) forget(ctx context.Context, stations []sessions.Station) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, st := range stations {
		if z := s.zones[st.Zone]; z != nil {
			if _, known := z.slots[st.MAC]; known {
				errs = append(errs, s.drop(ctx, z, st.MAC))
			}
		}
	}
	return errors.Join(errs...)
}

// drop takes a station's classes away, and with the zone's last one all of the zone's.
func (s *Shaper) drop(ctx context.Context, z *zone, mac sessions.MAC) error {
	was := z.slots[mac]
	delete(z.slots, mac)
	if z.idle() {
		return s.detach(ctx, z)
	}
	var errs []error
	for _, d := range z.directions() {
		if d.shapes(was) {
			errs = append(errs, s.dropDirection(d, mac, was))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("zone %s: %w", z.Name, err) // and the minor stays taken: its class may be there
	}
	z.give(was.minor)
	return nil
}

func (s *Shaper) dropDirection(d *direction, mac sessions.MAC, was slot) error {
	switch d.kind {
	case HTB:
		return errors.Join(s.nft.Delete(d.set, keyElement(mac)), s.deleteClass(d, was.minor))
	case Limit:
		return s.nft.Delete(d.set, keyElement(mac))
	}
	return nil
}
