package hostapd

import (
	"context"
	"log/slog"
	"net"
	"sync/atomic"
	"time"
)

const (
	queued = 512 // requests that may wait: a class of students whose time is over together

	// grace is how long a station keeps its connection, for the page that it is reading and for a new login.
	grace = time.Second

	patience = 5 * time.Second // with a program
)

// Request is a station that is to go.
type Request struct {
	MAC [6]byte
	// Interfaces are those of which one may have the station. They are asked for when its turn has come.
	Interfaces func() []string
	// Stays tells then whether it may stay after all.
	Stays func() bool
}

// Disassociator sends stations away, one after the other.
type Disassociator struct {
	log   *slog.Logger
	queue chan waiting
	full  atomic.Bool     // has been told
	told  map[string]bool // only Run has it
}

type waiting struct {
	Request
	since time.Time
}

// New makes a Disassociator. It does nothing before Run. log must not be nil.
func New(log *slog.Logger) *Disassociator {
	return &Disassociator{log: log, queue: make(chan waiting, queued), told: map[string]bool{}}
}

// Disassociate has a station sent away by Run, a second from now. It does not wait.
func (d *Disassociator) Disassociate(r Request) {
	select {
	case d.queue <- waiting{r, time.Now()}:
	default:
		if !d.full.Swap(true) {
			d.log.Warn("too many stations are to be disassociated at once: some stay")
		}
	}
}

// Run sends stations away until ctx ends.
func (d *Disassociator) Run(ctx context.Context) error {
	program := find()
	for {
		select {
		case <-ctx.Done():
			return nil
		case w := <-d.queue:
			d.full.Store(false)
			if !sleep(ctx, grace-time.Since(w.since)) {
				return nil
			}
			if !w.Stays() {
				d.send(ctx, program, w.Request)
			}
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// send asks the access points of all interfaces that may have the station; those that do not have it do nothing.
func (d *Disassociator) send(ctx context.Context, p program, r Request) {
	if p == nil {
		d.tell("", "stations are not disassociated: there is neither ubus nor hostapd_cli")
		return
	}
	for _, name := range r.Interfaces() {
		asking, cancel := context.WithTimeout(ctx, patience)
		err := p.disassociate(asking, name, net.HardwareAddr(r.MAC[:]).String())
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			d.tell(name, "stations are not disassociated: no hostapd answers for the interface", "interface", name, "err", err)
		default:
			delete(d.told, name)
		}
	}
}

// tell tells a thing once, until it is over.
func (d *Disassociator) tell(key, message string, args ...any) {
	if !d.told[key] {
		d.told[key] = true
		d.log.Warn(message, args...)
	}
}
