package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"gatehouse/firewall/shape"
	"gatehouse/lab"
	"gatehouse/sessions"
)

const (
	rateSettles = time.Second
	rateLasts   = 5 * time.Second
	leastRate   = 0.95 // of what was asked for
	mostRate    = 1.01
)

// benchRates measures what a station with a rate gets over one TCP connection in each direction, behind shaping and
// firewall as they work together. Counted is what arrives of Ethernet frames, as the rates count, by the kernel's time
// stamps.
func benchRates(ctx context.Context, _ programs, r *report) error {
	l, err := lab.New(ctx, lab.Options{})
	if err != nil {
		return err
	}
	defer l.Close()
	fw, err := labFirewall(ctx, l.Gateway)
	if err != nil {
		return err
	}
	defer fw.Close()
	stations, err := l.AddStaticStations(ctx, 1)
	if err != nil {
		return err
	}
	x := &rated{lab: l, station: stations[0]}
	if err := l.Gateway.Do(func() error {
		x.shaper, err = shape.Around(fw, shape.Config{Zones: []shape.Zone{{Name: benchZone, Interfaces: []string{lab.GuestBridge}}},
			Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			return err
		}
		return x.shaper.Reconcile(ctx, nil)
	}); err != nil {
		return err
	}
	defer x.shaper.Close()
	for _, way := range []string{"up", "down"} {
		for _, rate := range []sessions.BitRate{2e6, 10e6, 50e6} {
			got, err := x.measure(ctx, way, rate)
			if err != nil {
				return fmt.Errorf("%s at %v: %w", way, rate, err)
			}
			share := got / float64(rate)
			r.print(figure{fmt.Sprintf("rate of %v, %s, TCP", rate, way), fmt.Sprintf("%.3f (%.2f Mbit/s)", share, got/1e6),
				fmt.Sprintf("%.2f to %.2f", leastRate, mostRate), share >= leastRate && share <= mostRate})
		}
	}
	return nil
}

// rated is a station with a rate.
type rated struct {
	lab     *lab.Lab
	shaper  *shape.Shaper
	station *lab.Station
}

// measure gives the station a rate and returns the one that it gets, in bit/s.
func (x *rated) measure(ctx context.Context, way string, rate sessions.BitRate) (got float64, err error) {
	g := sessions.Grant{Station: labStation(x.station), AcctSessionID: "rated", IdleTimeout: time.Hour, RateUp: rate, RateDown: rate}
	if err := x.lab.Gateway.Do(func() error { return x.shaper.Admit(ctx, g) }); err != nil {
		return 0, err
	}
	listener, err := x.lab.WAN.Listen(ctx, "tcp", net.JoinHostPort(lab.WebAddr6, "5001"))
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	near, err := x.station.Dial(ctx, "tcp", listener.Addr().String())
	if err != nil {
		return 0, err
	}
	defer near.Close()
	far, err := listener.Accept()
	if err != nil {
		return 0, err
	}
	defer far.Close()
	from, to, arrives := near, far, x.lab.WAN
	if way == "down" {
		from, to, arrives = far, near, x.station.Host
	}
	go func() { _, _ = io.Copy(from, endless{}) }() // both end when the connection is closed
	go func() { _, _ = io.Copy(io.Discard, to) }()
	if err := pause(ctx, rateSettles); err != nil {
		return 0, err
	}
	at := to.LocalAddr().(*net.TCPAddr).AddrPort()
	capture, err := arrives.Capture(ctx, lab.PeerInterface, func(p lab.Packet) bool { return !p.Sent && p.Dst == at })
	if err != nil {
		return 0, err
	}
	if err := pause(ctx, rateLasts); err != nil {
		return 0, err
	}
	packets, err := capture.Stop()
	if err != nil {
		return 0, err
	}
	if len(packets) < 2 {
		return 0, errors.New("nothing arrives")
	}
	octets := 0
	for _, p := range packets[1:] { // the first took its time before
		octets += p.Octets + etherHeader
	}
	return float64(8*octets) / packets[len(packets)-1].At.Sub(packets[0].At).Seconds(), nil
}

const etherHeader = 14 // octets

// endless is a source of zeros.
type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }
