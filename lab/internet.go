package lab

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/time/rate"
)

// successPage is what Apple's probe expects from an open network.
const successPage = "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>"

// serveInternet starts the servers of the wan.
func (l *Lab) serveInternet() error {
	certificate, err := l.makeCertificate()
	if err != nil {
		return fmt.Errorf("making the certificate: %w", err)
	}
	site := online(internetSite())
	for _, addr := range []string{WebAddr4, WebAddr6, GardenAddr4, GardenAddr6} {
		err := errors.Join(
			l.serveHTTP(l.WAN, net.JoinHostPort(addr, "80"), site, nil),
			l.serveHTTP(l.WAN, net.JoinHostPort(addr, "443"), site, certificate),
			l.serveEcho(net.JoinHostPort(addr, "7")),
			l.serveEcho(net.JoinHostPort(addr, "443")),
		)
		if err != nil {
			return err
		}
	}
	return errors.Join(l.serveDNS(net.JoinHostPort(DNSAddr4, "53")), l.serveDNS(net.JoinHostPort(DNSAddr6, "53")))
}

// serveHTTP serves until the lab ends; with a certificate, HTTPS.
func (l *Lab) serveHTTP(h *Host, addr string, handler http.Handler, certificate *tls.Certificate) error {
	listener, err := h.Listen(l.ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listening on %s of %s: %w", addr, h.Name, err)
	}
	if certificate != nil {
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{*certificate}})
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	l.servers.Go(func() { _ = server.Serve(listener) })
	l.servers.Go(func() {
		<-l.ctx.Done()
		_ = server.Close()
	})
	return nil
}

// internetSite is the content of every web server of the wan:
//
//	OnlineProbes                               each as its true server
//	GET  /generate_204, /hotspot-detect.html   what probes of open networks expect, under any other name
//	GET  /echo                                 the client's address and port, as the server sees it
//	GET  /bytes?n=N                            N octets
//	GET  /stream?rate=R                        octets without end, R per second (default 1,000,000)
//	POST /sink                                 reads everything, tells how much it was
func internetSite() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /generate_204", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /hotspot-detect.html", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, successPage)
	})
	mux.HandleFunc("GET /echo", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RemoteAddr) })
	mux.HandleFunc("GET /bytes", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.ParseInt(r.FormValue("n"), 10, 64)
		if err != nil || n < 0 {
			http.Error(w, "n must be a number", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
		_, _ = io.CopyN(w, zeros{}, n)
	})
	mux.HandleFunc("GET /stream", stream)
	mux.HandleFunc("POST /sink", func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, strconv.FormatInt(n, 10))
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "the internet, "+r.Host) })
	return mux
}

func stream(w http.ResponseWriter, r *http.Request) {
	perSecond := 1_000_000
	if v := r.FormValue("rate"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			http.Error(w, "rate must be a number", http.StatusBadRequest)
			return
		}
		perSecond = n
	}
	const chunk = 1000
	limit := rate.NewLimiter(rate.Limit(perSecond), max(chunk, perSecond/100))
	flush := http.NewResponseController(w)
	for limit.WaitN(r.Context(), chunk) == nil {
		if _, err := w.Write(make([]byte, chunk)); err != nil {
			return
		}
		if err := flush.Flush(); err != nil {
			return
		}
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// serveEcho answers every datagram with itself.
func (l *Lab) serveEcho(addr string) error {
	return l.servePackets(addr, func(b []byte) []byte { return b })
}

// servePackets answers datagrams to addr of the wan until the lab ends; a nil answer is none.
func (l *Lab) servePackets(addr string, answer func([]byte) []byte) error {
	conn, err := l.WAN.ListenPacket(l.ctx, "udp", addr)
	if err != nil {
		return fmt.Errorf("listening on %s/udp: %w", addr, err)
	}
	l.servers.Go(func() {
		buf := make([]byte, 65536)
		for {
			n, from, err := conn.ReadFrom(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue // the report of an unreachable client
			}
			if reply := answer(buf[:n]); reply != nil {
				_, _ = conn.WriteTo(reply, from)
			}
		}
	})
	l.servers.Go(func() {
		<-l.ctx.Done()
		_ = conn.Close()
	})
	return nil
}
