package acme

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// KeyName is the name of the key that a Zone takes updates with.
const KeyName = "gatehouse."

// Zone is a DNS server for one zone. It answers for names of other zones that they do not exist.
type Zone struct {
	Name   string // with a dot at its end
	Addr   string // of the server, UDP and TCP
	Secret string // of the key, in base64

	mu      sync.Mutex
	records map[string][]dns.RR // by name
	refuse  bool
	updates int // that were applied
}

// StartZone serves a zone on a free port of 127.0.0.1.
func StartZone(t testing.TB, name string) *Zone {
	t.Helper()
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	z := &Zone{Name: dns.Fqdn(name), Secret: base64.StdEncoding.EncodeToString(secret), records: make(map[string][]dns.RR)}
	z.Addr = z.serve(t, new(net.ListenConfig))
	return z
}

// listener is a namespace.
type listener interface {
	Listen(ctx context.Context, network, addr string) (net.Listener, error)
	ListenPacket(ctx context.Context, network, addr string) (net.PacketConn, error)
}

// serve answers on a free port of 127.0.0.1 there.
func (z *Zone) serve(t testing.TB, at listener) (addr string) {
	t.Helper()
	tcp, err := at.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = tcp.Addr().String()
	udp, err := at.ListenPacket(t.Context(), "udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	for _, s := range []*dns.Server{{Listener: tcp}, {PacketConn: udp}} {
		started := make(chan struct{})
		s.Handler, s.TsigSecret, s.NotifyStartedFunc = z, map[string]string{KeyName: z.Secret}, func() { close(started) }
		s.MsgAcceptFunc = func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept } // updates too
		wg.Go(func() { _ = s.ActivateAndServe() })
		<-started
		t.Cleanup(func() { _ = s.Shutdown() })
	}
	return addr
}

// Refuse makes the server refuse updates, or take them again.
func (z *Zone) Refuse(on bool) { z.mu.Lock(); z.refuse = on; z.mu.Unlock() }

// Updates is how many updates were taken, and how many records are left of them.
func (z *Zone) Updates() (taken, left int) {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.updates, len(z.records)
}

// ServeDNS implements dns.Handler.
func (z *Zone) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	m := new(dns.Msg)
	m.SetReply(r)
	m.Authoritative = true
	if r.Opcode == dns.OpcodeUpdate {
		m.Rcode = z.update(w, r)
	} else {
		z.answer(m, r.Question[0])
	}
	if sig := r.IsTsig(); sig != nil && w.TsigStatus() == nil {
		m.SetTsig(sig.Hdr.Name, sig.Algorithm, 300, 0)
	}
	_ = w.WriteMsg(m)
}

func (z *Zone) update(w dns.ResponseWriter, r *dns.Msg) int {
	z.mu.Lock()
	defer z.mu.Unlock()
	switch {
	case r.IsTsig() == nil || w.TsigStatus() != nil || z.refuse:
		return dns.RcodeRefused
	case r.Question[0].Name != z.Name:
		return dns.RcodeNotAuth
	}
	z.updates++
	for _, rr := range r.Ns {
		name := strings.ToLower(rr.Header().Name)
		if rr.Header().Class == dns.ClassINET {
			z.records[name] = append(z.records[name], rr)
			continue
		}
		var rest []dns.RR
		for _, old := range z.records[name] {
			if gone, ok := rr.(*dns.TXT); !ok || strings.Join(old.(*dns.TXT).Txt, "") != strings.Join(gone.Txt, "") {
				rest = append(rest, old)
			}
		}
		if z.records[name] = rest; len(rest) == 0 {
			delete(z.records, name)
		}
	}
	return dns.RcodeSuccess
}

func (z *Zone) answer(m *dns.Msg, q dns.Question) {
	z.mu.Lock()
	defer z.mu.Unlock()
	name := strings.ToLower(q.Name)
	records := z.records[name]
	switch {
	case !dns.IsSubDomain(z.Name, name):
		m.Rcode = dns.RcodeNameError
	case name == z.Name && q.Qtype == dns.TypeSOA:
		m.Answer = []dns.RR{&dns.SOA{Hdr: dns.RR_Header{Name: z.Name, Rrtype: dns.TypeSOA, Class: dns.ClassINET}, Ns: "ns." + z.Name, Mbox: "root." + z.Name, Serial: 1}}
	case q.Qtype == dns.TypeTXT && len(records) > 0:
		m.Answer = records
	case len(records) == 0 && name != z.Name:
		m.Rcode = dns.RcodeNameError
	}
}
