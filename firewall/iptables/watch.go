package iptables

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// lookEvery is how often Watch asks the kernel how large the tables are, which costs it some microseconds.
	lookEvery = 300 * time.Millisecond
	// lookWellEvery is how often it reads them all, whatever their sizes say.
	lookWellEvery = 20 * time.Second
)

// watcher knows what the tables should hold.
type watcher struct {
	raw4, raw6 int // sockets, for tableInfo
	sizes      map[string]tableInfo
	lines      map[string]bool // our rules and chains, as they are saved
	wellAt     time.Duration
}

func (w *watcher) open() (err error) {
	w.raw4, w.raw6 = -1, -1
	if w.raw4, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW); err == nil {
		w.raw6, err = unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("opening a raw socket, to look at the tables: %w", err), w.close())
	}
	return nil
}

func (w *watcher) close() error {
	var errs []error
	for _, fd := range []*int{&w.raw4, &w.raw6} {
		if *fd >= 0 {
			errs = append(errs, unix.Close(*fd))
		}
		*fd = -1
	}
	return errors.Join(errs...)
}

// tableInfo is struct ipt_getinfo, and ip6t_getinfo, of the kernel: the size of a table and where its chains begin.
type tableInfo struct {
	name       [32]byte
	validHooks uint32
	hookEntry  [5]uint32
	underflow  [5]uint32
	entries    uint32
	size       uint32
}

const getInfo = 64 // IPT_SO_GET_INFO

func (w *watcher) info(v6 bool, table string) (info tableInfo, err error) {
	fd, level := w.raw4, unix.IPPROTO_IP
	if v6 {
		fd, level = w.raw6, unix.IPPROTO_IPV6
	}
	copy(info.name[:], table)
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), getInfo,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return info, errno
	}
	return info, nil
}

func (w *watcher) allSizes(f *Firewall) map[string]tableInfo {
	sizes := map[string]tableInfo{}
	for _, family := range f.families {
		for _, table := range tableNames() {
			info, err := w.info(family.v6, table)
			if err == nil { // a table that is not there is looked for in the listing
				sizes[fmt.Sprint(family.v6, table)] = info
			}
		}
	}
	return sizes
}

// note takes down that everything is as it should be.
func (w *watcher) note(ctx context.Context, f *Firewall) error {
	w.lines = map[string]bool{}
	w.sizes = w.allSizes(f)
	w.wellAt = f.clock.Mono()
	return w.saved(ctx, f, func(line string) { w.lines[line] = true })
}

// saved calls each with every rule that is ours and a jump of ours that is where it belongs, but not for rules that come and
// go with stations.
func (w *watcher) saved(ctx context.Context, f *Firewall, each func(line string)) error {
	for _, family := range f.families {
		there, err := family.list(ctx)
		if err != nil {
			return err
		}
		for _, j := range family.jumps() {
			if at := there.positions(j); len(at) > 0 && (j.last || at[0] == 1) {
				each(fmt.Sprintf("%v %s %s -j %s", family.v6, j.table, j.from, j.to))
			}
		}
		for table, chains := range there {
			for chain, rules := range chains {
				if !strings.HasPrefix(chain, prefix) || f.keeper.fills(chain) || strings.HasPrefix(chain, prefix+setBlock+"_") {
					continue
				}
				for _, r := range rules {
					each(fmt.Sprintf("%v %s %s %s", family.v6, table, chain, r.text))
				}
			}
		}
	}
	return nil
}

// look says errLost when a rule of ours is not there any more, or not in first place. It reads the tables only when their
// sizes have changed, or it was long ago.
func (w *watcher) look(ctx context.Context, f *Firewall) error {
	sizes, now := w.allSizes(f), f.clock.Mono()
	if same(sizes, w.sizes) && now-w.wellAt < lookWellEvery {
		return nil
	}
	there := map[string]bool{}
	if err := w.saved(ctx, f, func(line string) { there[line] = true }); err != nil {
		return err
	}
	for line := range w.lines {
		if !there[line] {
			return fmt.Errorf("%w: rule %q", errLost, line)
		}
	}
	w.sizes, w.wellAt = sizes, now
	return nil
}

func same(a, b map[string]tableInfo) bool {
	if len(a) != len(b) {
		return false
	}
	for key, info := range a {
		if b[key] != info {
			return false
		}
	}
	return true
}

// Watch calls lost when somebody else has removed rules of ours, or put others before our jumps, until ctx ends, and ends
// sessions whose time is over. lost may be called again before the loss is mended.
func (f *Firewall) Watch(ctx context.Context, lost func()) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := f.lookOnce(ctx)
		switch {
		case errors.Is(err, errLost):
			lost()
		case err != nil && ctx.Err() == nil: // the next poll of the counters finds out
			f.logger.Warn("looking whether the firewall's rules are there", slog.Any("error", err))
		}
	}
}

// lookOnce looks. Before the first Reconcile, and after CleanUp and Open, nothing can be missing.
func (f *Firewall) lookOnce(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ready {
		return nil
	}
	if err := f.watch.look(ctx, f); err != nil {
		return err
	}
	return f.expire(ctx)
}
