package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"gatehouse/api/edge"
)

// centre is the program, serving.
type centre struct {
	program, database, url string
	cmd                    *exec.Cmd
}

var servingAt = regexp.MustCompile(`msg=serving addr=(\S+)`)

// startCentre makes the tables and serves, with flags beside those that it needs.
func startCentre(ctx context.Context, p programs, database string, flags ...string) (*centre, error) {
	c := &centre{program: p.central, database: database}
	if _, err := c.verb(ctx, "migrate"); err != nil {
		return nil, err
	}
	c.cmd = exec.CommandContext(ctx, p.central, append([]string{"serve", "--database", database, "--listen", "127.0.0.1:0"}, flags...)...)
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stderr, err := c.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if m := servingAt.FindStringSubmatch(lines.Text()); m != nil {
			c.url = "http://" + m[1]
			go io.Copy(io.Discard, stderr)
			return c, nil
		}
	}
	return nil, errors.Join(errors.New("the centre never served"), c.stop())
}

func (c *centre) stop() error {
	_ = c.cmd.Process.Signal(os.Interrupt)
	return c.cmd.Wait()
}

// verb runs a verb of the program on the database and returns what it prints.
func (c *centre) verb(ctx context.Context, args ...string) (string, error) {
	words := 1
	if len(args) > 1 && !strings.HasPrefix(args[1], "-") {
		words = 2
	}
	args = append(append(args[:words:words], "--database", c.database), args[words:]...)
	out, err := exec.CommandContext(ctx, c.program, args...).Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return "", fmt.Errorf("%v: %w: %s", args, err, failed.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}

// tenant makes an organisation with a token of each of the roles.
func (c *centre) tenant(ctx context.Context, shortName string, roles ...string) (tokens map[string]string, err error) {
	if _, err := c.verb(ctx, "org", "create", "--short-name", shortName, "--name", shortName); err != nil {
		return nil, err
	}
	return c.tokens(ctx, shortName, roles...)
}

// tokens makes a token of each of the roles.
func (c *centre) tokens(ctx context.Context, shortName string, roles ...string) (tokens map[string]string, err error) {
	tokens = make(map[string]string)
	for _, role := range roles {
		if tokens[role], err = c.verb(ctx, "token", "create", "--org", shortName, "--role", role); err != nil {
			return nil, err
		}
	}
	return tokens, nil
}

// ingested is what gateways got done.
type ingested struct {
	rate   float64         // records a second
	steady float64         // of the last third, by that of the first
	took   []time.Duration // each request
}

// ingestRate lets so many edges send batches of so many records, each the next one when the last was answered, for a time.
func ingestRate(ctx context.Context, p programs, database string, batch, edges int, long time.Duration) (got ingested, err error) {
	c, err := startCentre(ctx, p, database)
	if err != nil {
		return got, err
	}
	tokens, err := c.tenant(ctx, "acme", "edge")
	if err != nil {
		return got, errors.Join(err, c.stop())
	}
	var mu sync.Mutex
	var thirds [3]int
	var firstErr error
	begun := time.Now()
	var wg sync.WaitGroup
	for n := range edges {
		wg.Go(func() {
			g := &edgeLoad{url: c.url, token: tokens["edge"], name: fmt.Sprintf("gw%d", n), number: n, batch: batch}
			for ctx.Err() == nil {
				since := time.Now()
				at := since.Sub(begun)
				if at >= long {
					return
				}
				err := g.send(ctx)
				mu.Lock()
				got.took = append(got.took, time.Since(since))
				if thirds[min(2, int(3*time.Since(begun)/long))] += batch; err != nil {
					firstErr = err
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	got.rate = float64(thirds[0]+thirds[1]+thirds[2]) / time.Since(begun).Seconds()
	got.steady = float64(thirds[2]) / float64(thirds[0])
	return got, errors.Join(firstErr, ctx.Err(), c.stop())
}

// edgeLoad is a gateway that sends Start, Interim-Update and Stop of one session after the other, some sessions at a time.
type edgeLoad struct {
	url, token, name string
	number, batch    int
	sent             int
	body             bytes.Buffer
}

// send sends the next batch. It must be merged when it is answered.
func (g *edgeLoad) send(ctx context.Context) error {
	g.body.Reset()
	out := json.NewEncoder(&g.body)
	for range g.batch {
		// A thousand sessions go on at a time: first all begin, then all tell, then all end.
		round, within := g.sent/3000, g.sent%3000
		r := loadRecord(g.name, g.number*100_000_000+round*1000+within%1000, within/1000)
		r.Seq = int64(g.sent + 1)
		g.sent++
		if err := out.Encode(r); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url+edge.IngestPath, &g.body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+g.token)
	req.Header.Set(edge.NASHeader, g.name)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var answer edge.IngestAnswer
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the centre answers %d: %w", resp.StatusCode, err)
	}
	for _, result := range answer.Results {
		if result.Status != edge.Merged {
			return fmt.Errorf("record %d is %s, not merged: %s", result.Seq, result.Status, result.Message)
		}
	}
	return nil
}

// loadRecord is the kth thing (Start, Interim-Update, Stop) that is said of session n.
func loadRecord(nas string, n, k int) edge.Record {
	start := time.Now().UTC().Truncate(24 * time.Hour).Add(time.Duration(n%86_400_000) * time.Millisecond)
	at := start.Add(time.Duration(k) * 5 * time.Minute)
	a := &edge.Accounting{
		AcctStatusType: []string{"Start", "Interim-Update", "Stop"}[k], AcctUniqueID: fmt.Sprintf("%032x", n*7919),
		AcctSessionID: fmt.Sprintf("%016x", n), Username: fmt.Sprintf("user%d", n%5000), NASIPAddress: "192.0.2.1", NASIdentifier: nas,
		NASPortID: "br-guest", NASPortType: "Wireless-802.11", AcctStartTime: start, AcctUpdateTime: at,
		AcctInterval: 300, AcctSessionTime: int64(k) * 300, AcctAuthentic: "Local",
		AcctInputOctets: uint64(k) * 1_000_000, AcctOutputOctets: uint64(k) * 9_000_000,
		CalledStationID: "02-00-5E-00-00-01:guests", CallingStationID: fmt.Sprintf("02-00-5E-%02X-%02X-%02X", n>>16&255, n>>8&255, n&255),
		ServiceType: "Login-User", FramedIPAddress: "10.0.0.7", LocationName: "lobby", AccessPointName: "ap1", SSID: "guests",
	}
	if k == 2 {
		a.AcctStopTime, a.AcctTerminateCause = &at, "User-Request"
	}
	return edge.Record{Accounting: a}
}
