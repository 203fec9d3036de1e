package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"gatehouse/api/edge"
	"gatehouse/central"
	"gatehouse/central/seal"
	"gatehouse/central/store"
	"gatehouse/internal/clock"
)

const (
	drainTime  = 2 * time.Second  // for which all is served after /readyz has said no
	endTime    = 10 * time.Second // what running requests get after it
	againAfter = 5 * time.Second
	longest    = (edge.MaxWait + 30) * time.Second // a request for changes, held open
)

func serve(ctx context.Context, args []string, _ io.Writer) error {
	f := newFlags("serve")
	listen := f.String("listen", "", "")
	cert, key := f.String("tls-cert", "", ""), f.String("tls-key", "", "")
	integerIDs, verbose := f.Bool("integer-ids", false, ""), f.Bool("verbose", false, "")
	readDatabase, spool := f.String("read-database", "", ""), f.String("spool", "", "")
	metrics, drain := f.String("metrics", "", ""), f.Duration("drain", drainTime, "")
	proxies := f.String("trusted-proxies", "", "")
	secretsKey, legacyUserToken := f.String("secrets-key", "", ""), f.Bool("legacy-user-token", false, "")
	authorities, resolvers := f.String("acme-ca", "", ""), f.String("dns-resolvers", "", "")
	publicURL := f.String("public-url", "", "")
	nases, networks := newRADIUSFlags(f), f.String("private-networks", "", "")
	if err := f.parse(args, "listen"); err != nil {
		return err
	}
	if (*cert == "") != (*key == "") {
		return fmt.Errorf("%w: --tls-cert and --tls-key go together", errUsage)
	}
	trusted, err := store.ParseNetworks(*proxies)
	if err != nil {
		return fmt.Errorf("%w: --trusted-proxies: %w", errUsage, err)
	}
	private, err := store.ParseNetworks(*networks)
	if err != nil {
		return fmt.Errorf("%w: --private-networks: %w", errUsage, err)
	}
	acme, asked, err := certificateFlags(*authorities, *resolvers)
	if err != nil {
		return err
	}
	public, err := parsePublicURL(*publicURL)
	if err != nil {
		return fmt.Errorf("%w: --public-url: %w", errUsage, err)
	}
	secrets, err := seal.Load(*secretsKey, os.Getenv(seal.Variable))
	if err != nil {
		return err
	}
	log := newLog(*verbose)
	db, err := store.Open(ctx, store.Config{URL: *f.database, ReadURL: *readDatabase})
	if err != nil {
		return err
	}
	defer db.Close()
	clk, err := clock.System()
	if err != nil {
		return err
	}
	var local *store.Spool
	if *spool != "" {
		if local, err = store.OpenSpool(ctx, *spool); err != nil {
			return err
		}
		defer local.Close()
	}
	registry, err := newRegistry()
	if err != nil {
		return err
	}
	centre, err := central.New(ctx, central.Config{Store: db, Spool: local, Log: log, Clock: clk, IntegerIDs: *integerIDs,
		LegacyUserToken: *legacyUserToken, PublicURL: public,
		Metrics: registry, TrustedProxies: trusted, Secrets: secrets, PrivateNetworks: private, ACMEAuthorities: acme, Resolvers: asked})
	if err != nil {
		return err
	}
	server := newServer(centre.Handler(), log)
	if *cert != "" {
		pair, err := tls.LoadX509KeyPair(*cert, *key)
		if err != nil {
			return fmt.Errorf("reading certificate: %w", err)
		}
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}}
	}
	ln, err := net.Listen("tcp", *listen)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	p := process{server: server, ln: ln, centre: centre, db: db, log: log, drain: *drain}
	if *metrics != "" {
		if p.metricsLn, err = net.Listen("tcp", *metrics); err != nil {
			return fmt.Errorf("listening for metrics: %w", errors.Join(err, ln.Close()))
		}
		p.metrics = newServer(metricsHandler(registry), log)
		log.Info("serving metrics", "addr", p.metricsLn.Addr().String())
	}
	if p.nases, err = nases.listen(log); err != nil {
		return errors.Join(err, ln.Close())
	}
	log.Info("serving", "addr", ln.Addr().String(), "tls", *cert != "")
	return p.run(ctx)
}

// certificateFlags reads whom to believe about an ACME server, and which DNS servers to ask; nil are the system's.
func certificateFlags(authorities, resolvers string) (pool *x509.CertPool, servers []string, err error) {
	if authorities != "" {
		text, err := os.ReadFile(authorities)
		if err != nil {
			return nil, nil, fmt.Errorf("reading --acme-ca: %w", err)
		}
		if pool = x509.NewCertPool(); !pool.AppendCertsFromPEM(text) {
			return nil, nil, fmt.Errorf("reading --acme-ca: there is no certificate in %s", authorities)
		}
	}
	for server := range strings.SplitSeq(resolvers, ",") {
		if server == "" {
			continue
		}
		if _, err := netip.ParseAddrPort(server); err != nil {
			return nil, nil, fmt.Errorf("%w: --dns-resolvers: %q must be address:port", errUsage, server)
		}
		servers = append(servers, server)
	}
	return pool, servers, nil
}

// parsePublicURL reads where browsers reach the centre; empty: nowhere.
func parsePublicURL(text string) (*url.URL, error) {
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("%q is not an address as in https://centre.example.com", text)
	}
	return u, nil
}

// newLog writes to standard error, without the time where systemd adds its own.
func newLog(verbose bool) *slog.Logger {
	o := &slog.HandlerOptions{}
	if verbose {
		o.Level = slog.LevelDebug
	}
	if os.Getenv("JOURNAL_STREAM") != "" {
		o.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}
	}
	return slog.New(slog.NewTextHandler(os.Stderr, o))
}

func newServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       longest, // its end would cut off a request that is held open
		WriteTimeout:      2 * longest,
		IdleTimeout:       120 * time.Second,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // what strangers send is no error of ours
	}
}

// process is what runs until it is told to stop.
type process struct {
	server    *http.Server
	ln        net.Listener
	metrics   *http.Server // nil: nobody reads them
	metricsLn net.Listener
	nases     central.RADIUSListeners
	centre    *central.Server
	db        *store.Store
	log       *slog.Logger
	drain     time.Duration
}

// run serves until ctx ends. Then /readyz says no while everything is still served for the time of the drain, so that a
// balancer sends nothing more; then nothing new is accepted and what is running comes to its end. The metrics go last.
func (p *process) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return listen(p.server, p.ln) })
	if p.metrics != nil {
		g.Go(func() error { return listen(p.metrics, p.metricsLn) })
	}
	g.Go(func() error {
		<-ctx.Done()
		return p.stop(context.WithoutCancel(ctx))
	})
	if p.nases != (central.RADIUSListeners{}) {
		g.Go(func() error { return p.centre.ServeRADIUS(ctx, p.nases) })
	}
	g.Go(func() error { return p.centre.SendWebhooks(ctx) })
	g.Go(func() error { return p.centre.IssueCertificates(ctx) })
	g.Go(func() error { return p.db.Watch(ctx) })
	g.Go(func() error { return p.centre.Tidy(ctx) })
	g.Go(func() error { return maintain(ctx, p.db, p.log) })
	g.Go(func() error { return p.centre.DrainSpool(ctx) })
	g.Go(func() error { return p.centre.Operate(ctx) })
	g.Go(func() error { return p.centre.Tend(ctx) })
	if err := notify("READY=1"); err != nil {
		p.log.Warn("telling systemd", "err", err)
	}
	return g.Wait()
}

func listen(server *http.Server, ln net.Listener) error {
	var err error
	if server.TLSConfig != nil {
		err = server.ServeTLS(ln, "", "")
	} else {
		err = server.Serve(ln)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving: %w", err)
}

func (p *process) stop(ctx context.Context) error {
	_ = notify("STOPPING=1")
	p.log.Info("draining", "for", p.drain)
	p.centre.Drain(p.drain)
	<-time.After(p.drain)
	late, cancel := context.WithTimeout(ctx, endTime)
	defer cancel()
	err := p.server.Shutdown(late)
	if p.metrics != nil {
		err = errors.Join(err, p.metrics.Close())
	}
	return err
}

// maintain goes on after an error: the database may be away for a while.
func maintain(ctx context.Context, db *store.Store, log *slog.Logger) error {
	for ctx.Err() == nil {
		if err := db.Maintain(ctx); err != nil {
			log.Error("maintaining database", "err", err)
		}
		again := time.NewTimer(againAfter)
		select {
		case <-ctx.Done():
			again.Stop()
		case <-again.C:
		}
	}
	return nil
}
