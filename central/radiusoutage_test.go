package central_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/central"
	"gatehouse/internal/clock"
	"gatehouse/radius"
)

// TestRADIUSDatabaseKilled kills the database while NASes send. Those of a process with a local log are answered all the time, those
// of one without hear nothing and repeat; once the database is back every session is there once, whole.
func TestRADIUSDatabaseKilled(t *testing.T) {
	o := newOutage(t)
	addr := map[string]string{"with a local log": o.listens()}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	addr["without"] = conn.LocalAddr().String()
	clk, err := clock.System()
	if err != nil {
		t.Fatal(err)
	}
	cfg := central.Config{Store: o.store, Clock: clk, Log: testLog(o.log)}
	withSecrets(t)(&cfg)
	plain, err := central.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	(&centre{t: t, server: plain, log: o.log}).serveRADIUS(central.RADIUSListeners{UDP: conn})

	o.db.Kill()
	var all sync.WaitGroup
	var answered [2]atomic.Int64
	began := time.Now()
	for i, name := range []string{"with a local log", "without"} {
		for part := range 4 {
			conn, err := net.Dial("udp", addr[name])
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			all.Go(func() {
				n := &nas{t: t, conn: conn, random: rand.New(rand.NewPCG(uint64(i), uint64(part)))}
				for s := range 5 {
					for kind, status := range []string{radius.Start, radius.InterimUpdate, radius.Stop} {
						lasted := time.Duration(kind) * time.Minute
						n.deliver(byte(s*3+kind), radius.Accounting{StatusType: status, SessionID: fmt.Sprint("nas", s),
							NASIPAddress: netip.AddrFrom4([4]byte{10, 0, byte(i), byte(part)}), EventTime: began.Add(lasted - time.Hour), SessionTime: &lasted})
						answered[i].Add(1)
					}
				}
			})
		}
	}
	<-time.After(away())
	if with, without := answered[0].Load(), answered[1].Load(); with == 0 || without > 0 {
		t.Errorf("while the database was away %d records were answered with a local log and %d without", with, without)
	}
	if err := o.db.Start(); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	o.settle()
	o.eventually("every session is there once, and has ended", func() bool {
		r := o.do(ask{who: "acme admin", method: "GET", path: "/api/v1/aaa_accounting/?limit=100"})
		if r.status != http.StatusOK {
			return false
		}
		ended := 0
		for _, a := range o.accounting() {
			if len(a.AcctSessionID) > 3 && a.AcctSessionID[:3] == "nas" {
				if a.AcctStopTime == nil || a.AcctSessionTime != 120 {
					return false
				}
				ended++
			}
		}
		return ended == 2*4*5
	})
}
