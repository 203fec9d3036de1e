package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"gatehouse/lab"
	"gatehouse/sessions"
)

// benchOctets compares what gatehouse counts with what was captured of each station where it meets the gateway, for
// downloads, uploads and datagrams over both families, all stations at once. Offloads are off, as everywhere in the lab.
func benchOctets(ctx context.Context, _ programs, r *report) error {
	const n = 20
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
	stations, err := l.AddStaticStations(ctx, n)
	if err != nil {
		return err
	}
	for i, s := range stations {
		if err := fw.Admit(ctx, sessions.Grant{Station: labStation(s), AcctSessionID: fmt.Sprintf("octets%d", i), IdleTimeout: time.Hour}); err != nil {
			return err
		}
	}
	wire, err := l.Gateway.Capture(ctx, lab.GuestBridge, ofWeb)
	if err != nil {
		return err
	}
	var all errgroup.Group
	for _, s := range stations {
		all.Go(func() error { return surf(ctx, s) })
	}
	if err := errors.Join(all.Wait(), quiet(ctx, wire)); err != nil {
		return err
	}
	packets, err := wire.Stop()
	if err != nil {
		return err
	}
	captured := map[sessions.MAC]sessions.Usage{}
	var total uint64
	for _, p := range packets {
		mac := sessions.MAC(p.SrcMAC)
		u := sessions.Usage{InputOctets: uint64(p.Octets), InputPackets: 1}
		if p.Sent {
			mac, u = sessions.MAC(p.DstMAC), sessions.Usage{OutputOctets: uint64(p.Octets), OutputPackets: 1}
		}
		captured[mac] = captured[mac].Add(u)
		total += uint64(p.Octets)
	}
	readings, err := fw.Usage(ctx)
	if err != nil {
		return err
	}
	exact := 0
	for _, reading := range readings {
		if reading.Usage.InputOctets > 0 && reading.Usage == captured[reading.Station.MAC] {
			exact++
		}
	}
	r.print(figure{fmt.Sprintf("counters equal to the octets captured, %d stations", n),
		fmt.Sprintf("%d stations, %.1f MB", exact, float64(total)/1e6), "all, to the octet", exact == n})
	return nil
}

func labStation(s *lab.Station) sessions.Station {
	return sessions.Station{Zone: benchZone, MAC: sessions.MAC(s.MAC)}
}

// surf downloads, uploads and sends datagrams of all sizes that need no fragments.
func surf(ctx context.Context, s *lab.Station) error {
	client := s.HTTPClient()
	for _, host := range []string{lab.WebAddr4, "[" + lab.WebAddr6 + "]"} {
		get, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/bytes?n=500000", nil)
		if err != nil {
			return err
		}
		post, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+host+"/sink", bytes.NewReader(make([]byte, 200_000)))
		if err != nil {
			return err
		}
		for _, req := range []*http.Request{get, post} {
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, resp.Body)
			if err := errors.Join(err, resp.Body.Close()); err != nil {
				return err
			}
		}
	}
	for _, addr := range []string{lab.WebAddr4, lab.WebAddr6} {
		c, err := s.Dial(ctx, "udp", net.JoinHostPort(addr, "7"))
		if err != nil {
			return err
		}
		defer c.Close() // late, for an echo to nobody would be answered by an error
		for range 100 {
			if _, err := c.Write(make([]byte, rand.N(1400))); err != nil {
				return err
			}
		}
	}
	return pause(ctx, 200*time.Millisecond)
}
