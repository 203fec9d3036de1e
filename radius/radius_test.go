package radius_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"gatehouse/internal/clock"
	"gatehouse/radius"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// keeper is an Accountant that keeps everything in memory, or nothing while it is away.
type keeper struct {
	mu   sync.Mutex
	list []radius.Request
	away bool
	wait chan struct{} // not nil: what comes is kept once it is closed
}

func (k *keeper) Account(_ context.Context, r radius.Request) error {
	if k.wait != nil {
		<-k.wait
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.away {
		return errors.New("away")
	}
	k.list = append(k.list, r)
	return nil
}

func (k *keeper) setAway(away bool) { k.mu.Lock(); defer k.mu.Unlock(); k.away = away }

func (k *keeper) kept() []radius.Request {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]radius.Request(nil), k.list...)
}

// rig is a listener on loopback.
type rig struct {
	t      *testing.T
	server *radius.Server
	keeper *keeper
	clock  *clock.Fake
	log    *lockedBuffer
	addr   string
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

const secret = radius.Secret("it is a secret")

func local() radius.Client {
	return radius.Client{ID: 1, Organization: 1, Name: "lobby", Network: netip.MustParsePrefix("127.0.0.0/8"), Secret: secret}
}

func newRig(t *testing.T, clients ...radius.Client) *rig {
	r := &rig{t: t, keeper: new(keeper), clock: clock.NewFake(noon, "boot"), log: new(lockedBuffer)}
	r.server = radius.New(radius.Config{Accountant: r.keeper, Clock: r.clock, Log: slog.New(slog.NewTextHandler(r.log, nil))})
	r.server.SetClients(radius.NewClients(clients))
	return r
}

// serve runs a listener until the test ends.
func (r *rig) serve(listen func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- listen(ctx) }()
	r.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
	})
}

func (r *rig) udp(on string) *rig {
	r.t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(on)))
	if err != nil {
		r.t.Fatal(err)
	}
	r.addr = conn.LocalAddr().String()
	r.serve(func(ctx context.Context) error { return r.server.ServeUDP(ctx, conn) })
	return r
}

// stat waits until so many packets have had an outcome.
func (r *rig) stat(name string, want int64) {
	r.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		var got int64
		for i, n := range radius.OutcomeNames() {
			if n == name {
				got = r.server.Stats()[i]
			}
		}
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("%d packets were %s, want %d", got, name, want)
		}
		<-time.After(time.Millisecond)
	}
}
