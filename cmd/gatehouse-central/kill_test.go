package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gatehouse/api/edge"
	"gatehouse/lab"
	"gatehouse/lab/postgres"
)

// centre is the program, serving, as a child process.
type centre struct {
	t     *testing.T
	db    string
	cmd   *exec.Cmd
	url   string
	token map[string]string
	args  []string // of serve, besides the usual

	metricsURL string
}

var servingAt = regexp.MustCompile(`msg=serving addr=(\S+)`)

func (c *centre) start() {
	c.t.Helper()
	c.cmd = self(c.t.Context(), append([]string{"serve", "--database", c.db, "--listen", "127.0.0.1:0"}, c.args...)...)
	stderr, err := c.cmd.StderrPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if m := metricsAt.FindStringSubmatch(lines.Text()); m != nil {
			c.metricsURL = "http://" + m[1] + "/metrics"
		}
		if m := servingAt.FindStringSubmatch(lines.Text()); m != nil {
			c.url = "http://" + m[1]
			go io.Copy(io.Discard, stderr)
			return
		}
		c.t.Log(lines.Text())
	}
	c.t.Fatal("it never served")
}

func (c *centre) send(role, method, path, body string) (status int, text string, err error) {
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+c.token[role])
	req.Header.Set(edge.NASHeader, "gw1")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

const batchSize = 40

// batch is one request of a gateway: sessions and transactions that nobody else sends.
func batch(t *testing.T, n int) string {
	t.Helper()
	var b bytes.Buffer
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i := range batchSize {
		id := fmt.Sprintf("%d-%d", n, i)
		at := start.Add(time.Duration(n*batchSize+i) * time.Second)
		for _, r := range []edge.Record{
			{Accounting: &edge.Accounting{AcctStatusType: "Start", AcctUniqueID: id, AcctSessionID: id, AcctStartTime: at, NASIPAddress: "192.0.2.1"}},
			{Transaction: &edge.Transaction{ID: id, DateTime: at, Type: "ui", Status: "h200"}},
		} {
			line, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			b.Write(append(line, '\n'))
		}
	}
	return b.String()
}

// all pages through a list and counts how often each value of field comes.
func (c *centre) all(path, field string) map[string]int {
	c.t.Helper()
	count := make(map[string]int)
	for next := path + "?limit=100"; next != ""; {
		status, text, err := c.send("admin", "GET", next, "")
		if err != nil || status != http.StatusOK {
			c.t.Fatal(status, err, text)
		}
		var page struct {
			Next    *string
			Results []map[string]any
		}
		if err := json.Unmarshal([]byte(text), &page); err != nil {
			c.t.Fatal(err)
		}
		for _, r := range page.Results {
			count[fmt.Sprint(r[field])]++
		}
		if next = ""; page.Next != nil {
			next = strings.TrimPrefix(*page.Next, c.url)
		}
	}
	return count
}

// kills is how often the server is killed.
func kills() int {
	if os.Getenv("GATEHOUSE_SOAK") != "" {
		return 100
	}
	return 20
}

// TestKilledInTheMiddle kills the server again and again, at random moments, while a gateway sends, which keeps sending
// what was not answered. In the end everything is there once, and what was answered was there after each kill.
func TestKilledInTheMiddle(t *testing.T) {
	for name, open := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { _, url := database(t); return url },
		"postgres": func(t *testing.T) string { return postgres.Require(t, "fsync=on").URL("postgres") },
	} {
		t.Run(name, func(t *testing.T) { killedInTheMiddle(t, open(t)) })
	}
}

func newCentre(t *testing.T, db string) *centre {
	t.Helper()
	done(t, "migrate", "--database", db)
	done(t, "org", "create", "--database", db, "--short-name", "acme", "--name", "Acme")
	c := &centre{t: t, db: db, token: make(map[string]string)}
	for _, role := range []string{"admin", "edge"} {
		c.token[role] = done(t, "token", "create", "--database", db, "--org", "acme", "--role", role)
	}
	c.start()
	return c
}

func killedInTheMiddle(t *testing.T, db string) {
	c := newCentre(t, db)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	moments := rand.New(rand.NewPCG(seed, 0))
	answered, unanswered := 0, 0
	for killed := 0; killed < kills(); {
		// A batch takes some ten milliseconds: two of three kills come within it.
		victim, wait := c.cmd, time.Duration(moments.IntN(40_000))*time.Microsecond
		time.AfterFunc(wait, func() { _ = victim.Process.Signal(syscall.SIGKILL) })
		for {
			status, text, err := c.send("edge", "POST", edge.IngestPath, batch(t, answered))
			if err != nil {
				unanswered++ // and sent again
				break
			}
			if status != http.StatusOK {
				t.Fatalf("status %d: %s", status, text)
			}
			answered++
		}
		_ = c.cmd.Wait() // it was killed
		killed++
		c.start()
		c.wantCounted(answered)
	}
	status, text, err := c.send("edge", "POST", edge.IngestPath, batch(t, answered))
	if err != nil || status != http.StatusOK {
		t.Fatal(status, err, text)
	}
	answered++
	t.Logf("%d batches, %d of them unanswered when the server was killed", answered, unanswered)
	for path, field := range map[string]string{"/api/v1/aaa_accounting/": "acctuniqueid", "/api/v1/txlog_portal/": "id"} {
		got := c.all(path, field)
		if len(got) != answered*batchSize {
			t.Errorf("%s: %d different records, want %d", path, len(got), answered*batchSize)
		}
		for id, n := range got {
			if n != 1 {
				t.Errorf("%s: %s is there %d times", path, id, n)
			}
		}
	}
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("stopped by SIGTERM: %v", err)
	}
}

// wantCounted looks that every session of the batches that were answered is there, and of the next one all or none.
func (c *centre) wantCounted(answered int) {
	c.t.Helper()
	got := len(c.all("/api/v1/aaa_accounting/", "acctuniqueid"))
	if got != answered*batchSize && got != (answered+1)*batchSize {
		c.t.Fatalf("%d sessions, and %d batches of %d were answered", got, answered, batchSize)
	}
}

// TestDiskCopiedAtRandomMoments takes the disk with the database as a power cut would leave it, again and again while a
// gateway sends. What was answered before the copy is in it.
func TestDiskCopiedAtRandomMoments(t *testing.T) {
	lab.RequireLoop(t)
	disk, err := lab.NewLoopDisk(t.TempDir(), 64)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := disk.Close(); err != nil {
			t.Error(err)
		}
	})
	c := newCentre(t, "sqlite://"+disk.Mountpoint+"/c.db")
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	})
	var answered atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	sent := make(chan error, 1)
	may := make(chan struct{}, 30) // batches until the next copy: the disk is small
	go func() {
		for {
			select {
			case <-ctx.Done():
				sent <- nil
				return
			case <-may:
			}
			status, text, err := c.send("edge", "POST", edge.IngestPath, batch(t, int(answered.Load())))
			if err != nil || status != http.StatusOK {
				sent <- fmt.Errorf("status %d, %w: %s", status, err, text)
				return
			}
			answered.Add(1)
		}
	}()
	for n := range kills() / 2 {
		for len(may) < cap(may) {
			may <- struct{}{}
		}
		for before := answered.Load(); answered.Load() == before && len(sent) == 0; {
			runtime.Gosched()
		}
		had := int(answered.Load())
		image := filepath.Join(t.TempDir(), fmt.Sprintf("copy-%d.img", n))
		c.halt()
		if err := errors.Join(disk.Snapshot(image), c.cmd.Process.Signal(syscall.SIGCONT)); err != nil {
			t.Fatal(err)
		}
		c.wantInCopy(image, had)
	}
	stop()
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

// halt stops the server wherever it is, but for a write to the disk, which a thread finishes first.
func (c *centre) halt() {
	c.t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		c.t.Fatal(err)
	}
	stats := fmt.Sprintf("/proc/%d/task/*/stat", c.cmd.Process.Pid)
	for running := true; running; {
		threads, err := filepath.Glob(stats)
		if err != nil {
			c.t.Fatal(err)
		}
		running = slices.ContainsFunc(threads, func(file string) bool {
			stat, err := os.ReadFile(file)
			return err == nil && !bytes.Contains(stat, []byte(") T "))
		})
		if running {
			runtime.Gosched()
		}
	}
}

// wantInCopy serves from the copy of a disk and looks for what had been answered when it was begun.
func (c *centre) wantInCopy(image string, answered int) {
	c.t.Helper()
	dir, unmount, err := lab.MountCopy(image)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(unmount(), os.Remove(image)); err != nil {
			c.t.Error(err)
		}
	}()
	again := &centre{t: c.t, db: "sqlite://" + dir + "/c.db", token: c.token}
	again.start()
	got := again.all("/api/v1/aaa_accounting/", "acctuniqueid")
	if len(got) < answered*batchSize || len(got)%batchSize != 0 {
		c.t.Errorf("the copy has %d sessions, and %d batches of %d had been answered", len(got), answered, batchSize)
	}
	for id, n := range got {
		if n != 1 {
			c.t.Errorf("%s is there %d times", id, n)
		}
	}
	_ = again.cmd.Process.Kill()
	_ = again.cmd.Wait()
}
