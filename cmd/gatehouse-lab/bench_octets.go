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

// benchOctets compares what gatehouse counts with what was captured of each station at its own interface, for downloads,
// uploads and datagrams over both families, all stations at once. What is on the wire is the same both times: without
// offloads, as everywhere in the lab, and with a router that merges what it receives (GRO), so that it counts one header
// for several packets.
func benchOctets(ctx context.Context, _ programs, r *report) error {
	for _, merging := range []bool{false, true} {
		if err := octets(ctx, r, merging); err != nil {
			return err
		}
	}
	return nil
}

// headerShare is how much of a full packet is headers of TCP over IPv6 with time stamps: the most that merging hides.
const headerShare = 72.0 / 1500

func octets(ctx context.Context, r *report, merging bool) error {
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
	merges := []string{lab.WANInterface}
	var wires []*lab.Capture
	for i, s := range stations {
		if err := fw.Admit(ctx, sessions.Grant{Station: labStation(s), AcctSessionID: fmt.Sprintf("octets%d", i), IdleTimeout: time.Hour}); err != nil {
			return err
		}
		merges = append(merges, s.Port)
		wire, err := s.Count(ctx, lab.PeerInterface, ofWeb)
		if err != nil {
			return err
		}
		wires = append(wires, wire)
	}
	for _, iface := range merges {
		if !merging {
			break
		}
		if err := l.Gateway.Do(func() error { return lab.GROOn(iface) }); err != nil {
			return fmt.Errorf("merging on %s: %w", iface, err)
		}
	}
	var all errgroup.Group
	for _, s := range stations {
		all.Go(func() error { return surf(ctx, s) })
	}
	if err := errors.Join(all.Wait(), quiet(ctx, wires...)); err != nil {
		return err
	}
	readings, err := fw.Usage(ctx)
	if err != nil {
		return err
	}
	counted := map[sessions.MAC]sessions.Usage{}
	for _, reading := range readings {
		counted[reading.Station.MAC] = reading.Usage
	}
	exact, total, over, short := 0, uint64(0), 0.0, 0.0
	for i, s := range stations {
		if _, err := wires[i].Stop(); err != nil {
			return err
		}
		up, down := wires[i].Octets()
		u := counted[sessions.MAC(s.MAC)]
		if up > 0 && u.InputOctets == up && u.OutputOctets == down {
			exact++
		}
		total += up + down
		for _, share := range []float64{float64(u.InputOctets) / float64(up), float64(u.OutputOctets) / float64(down)} {
			short, over = max(short, 1-share), max(over, share-1)
		}
	}
	if merging {
		r.print(figure{fmt.Sprintf("counters where the router merges packets (GRO), %d stations", n),
			fmt.Sprintf("up to %.2f %% short, %.2f %% over", 100*short, 100*over), fmt.Sprintf("≤ %.1f %% short, never over", 100*headerShare),
			short > 0 && short <= headerShare && over == 0})
		return nil
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
