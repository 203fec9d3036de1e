package central

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"gatehouse/central/store"
	"gatehouse/radius"
)

const (
	radiusBatch    = 1000             // most records in one transaction
	radiusPatience = 10 * time.Second // for a transaction; a NAS does not wait longer
	clientsEvery   = time.Second      // how late a change of a client is noticed
)

// RADIUSListeners are where accounting of NASes comes in; what is nil is not served.
type RADIUSListeners struct {
	UDP       *net.UDPConn
	TLS       net.Listener
	TLSConfig *tls.Config // of TLS, as radius.TLSConfig makes it
}

// ServeRADIUS answers NASes until ctx ends. Then it takes nothing more, and returns once everything it has taken is answered.
func (s *Server) ServeRADIUS(ctx context.Context, l RADIUSListeners) error {
	a := &accountant{Server: s, queue: make(chan *accountingJob, radiusBatch)}
	server := radius.New(radius.Config{Accountant: a, Log: s.cfg.Log, Clock: s.cfg.Clock})
	if err := s.radiusMetrics(server); err != nil {
		return fmt.Errorf("registering metrics of RADIUS: %w", err)
	}
	revision, err := s.radiusClients(ctx, server, "")
	if err != nil {
		return err
	}
	written, toTheEnd := make(chan struct{}), context.WithoutCancel(ctx)
	go func() {
		defer close(written)
		a.write(toTheEnd)
	}()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.watchRADIUSClients(ctx, server, revision) })
	if l.UDP != nil {
		g.Go(func() error { return server.ServeUDP(ctx, l.UDP) })
	}
	if l.TLS != nil {
		g.Go(func() error { return server.ServeTLS(ctx, l.TLS, l.TLSConfig) })
	}
	err = g.Wait()
	close(a.queue)
	<-written
	return err
}

func (s *Server) radiusMetrics(server *radius.Server) error {
	for i, outcome := range radius.OutcomeNames() {
		c := prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "gatehouse_radius_packets_total",
			Help: "Packets of NASes, by what became of them.", ConstLabels: prometheus.Labels{"outcome": outcome}},
			func() float64 { return float64(server.Stats()[i]) })
		if err := s.cfg.Metrics.Register(c); err != nil {
			return err
		}
	}
	return nil
}

// radiusClients gives the listener the clients, unless they are those of the revision that it has.
func (s *Server) radiusClients(ctx context.Context, server *radius.Server, has string) (revision string, err error) {
	if revision, err = s.cfg.Store.RADIUSRevision(ctx); err != nil || revision == has {
		return has, err
	}
	stored, revision, err := s.cfg.Store.AllRADIUSClients(ctx)
	if err != nil {
		return has, err
	}
	list := make([]radius.Client, 0, len(stored))
	for _, c := range stored {
		one := radius.Client{ID: c.ID, Organization: c.OrganizationID, Name: c.Name,
			Certificate: c.Certificate, NASIdentifier: c.NASIdentifier, SwapOctets: slices.Contains(c.Quirks, store.QuirkSwapOctets),
			OwnClock: slices.Contains(c.Quirks, store.QuirkOwnClock), SessionIDOnly: slices.Contains(c.Quirks, store.QuirkSessionIDOnly)}
		if c.Network != "" {
			if err := s.overUDP(&one, c); err != nil {
				s.cfg.Log.Error("RADIUS client cannot be served over UDP", "client", c.ID, "err", err)
			}
		}
		list = append(list, one)
	}
	server.SetClients(radius.NewClients(list))
	s.cfg.Log.Info("RADIUS clients read", "clients", len(list))
	return revision, nil
}

// overUDP fills in what a client needs for that.
func (s *Server) overUDP(to *radius.Client, c store.RADIUSClient) error {
	if s.cfg.Secrets == nil {
		return errNoSecretsKey
	}
	secret, err := s.cfg.Secrets.Open(radiusPurpose(c.OrganizationID), c.Secret)
	if err != nil {
		return err
	}
	n, err := netip.ParsePrefix(c.Network)
	if err == nil {
		to.Secret, to.Network = radius.Secret(secret), n
	}
	return err
}

var errNoSecretsKey = errors.New("its secret cannot be read without the key for secrets")

func (s *Server) watchRADIUSClients(ctx context.Context, server *radius.Server, revision string) error {
	tick := time.NewTicker(clientsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		var err error
		if revision, err = s.radiusClients(ctx, server, revision); err != nil && !errors.Is(err, store.ErrUnavailable) && ctx.Err() == nil {
			s.cfg.Log.Error("reading RADIUS clients", "err", err)
		}
	}
}

// accountant keeps the records of NASes in the database, many in one transaction: while one is being written, those that
// arrive wait for the next.
type accountant struct {
	*Server
	queue chan *accountingJob
}

type accountingJob struct {
	record store.RADIUSRecord
	done   chan error
}

// Account implements radius.Accountant.
func (a *accountant) Account(_ context.Context, r radius.Request) error {
	job := &accountingJob{record: radiusRecord(r), done: make(chan error, 1)}
	a.queue <- job
	return <-job.done
}

func (a *accountant) write(ctx context.Context) {
	for job := range a.queue {
		jobs := []*accountingJob{job}
		for len(jobs) < radiusBatch && len(a.queue) > 0 {
			jobs = append(jobs, <-a.queue)
		}
		a.keep(ctx, jobs)
	}
}

// keep writes a batch and tells each what became of it. A batch that the database refuses as a whole is halved until the culprit
// is alone.
func (a *accountant) keep(ctx context.Context, jobs []*accountingJob) {
	records := make([]store.RADIUSRecord, len(jobs))
	for i, j := range jobs {
		records[i] = j.record
	}
	err := a.acceptRADIUS(ctx, records)
	if err != nil && !errors.Is(err, store.ErrUnavailable) && len(jobs) > 1 {
		a.keep(ctx, jobs[:len(jobs)/2])
		a.keep(ctx, jobs[len(jobs)/2:])
		return
	}
	for _, j := range jobs {
		j.done <- err
	}
}

// acceptRADIUS returns nil once records are in the database, or in the local log while that is away.
func (s *Server) acceptRADIUS(ctx context.Context, records []store.RADIUSRecord) error {
	ctx, cancel := context.WithTimeout(ctx, radiusPatience)
	defer cancel()
	if s.cfg.Spool == nil || !s.absence.lasts(s.cfg.Clock.Mono()) {
		err := s.cfg.Store.IngestRADIUS(ctx, records)
		if err != nil && ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", store.ErrUnavailable, err)
		}
		if s.cfg.Spool == nil || !errors.Is(err, store.ErrUnavailable) {
			return err
		}
		s.cfg.Log.Warn("database away, records of NASes go to the local log", "err", err)
		s.absence.began(s.cfg.Clock.Mono())
	}
	return s.cfg.Spool.AddRADIUS(context.WithoutCancel(ctx), records)
}
