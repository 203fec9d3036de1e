package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse/api/edge"
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

// batch is one request of a gateway: sessions and transactions that nobody else sends.
func batch(t *testing.T, n int) string {
	t.Helper()
	var b bytes.Buffer
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i := range 200 {
		id := fmt.Sprintf("%d-%d", n, i)
		at := start.Add(time.Duration(n*200+i) * time.Second)
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

// TestKilledInTheMiddle kills the server again and again while a gateway sends, which keeps sending what was not
// answered. In the end everything is there once, and what was answered was there after the kill.
func TestKilledInTheMiddle(t *testing.T) {
	_, db := database(t)
	done(t, "migrate", "--database", db)
	done(t, "org", "create", "--database", db, "--short-name", "acme", "--name", "Acme")
	c := &centre{t: t, db: db, token: make(map[string]string)}
	for _, role := range []string{"admin", "edge"} {
		c.token[role] = done(t, "token", "create", "--database", db, "--org", "acme", "--role", role)
	}
	const batches, kills = 24, 6
	answered, killed, unanswered := 0, 0, 0
	c.start()
	for n := 0; n < batches; {
		kill := n/(batches/kills) == killed
		if kill { // while this batch is on its way, a little later each time
			victim := c.cmd
			time.AfterFunc(time.Duration(3+7*killed)*time.Millisecond, func() { _ = victim.Process.Signal(syscall.SIGKILL) })
			killed++
		}
		status, text, err := c.send("edge", "POST", edge.IngestPath, batch(t, n))
		switch {
		case err != nil && kill:
			unanswered++ // and sent again
		case err != nil || status != http.StatusOK:
			t.Fatalf("status %d, err %v: %s", status, err, text)
		default:
			answered++
			n++
		}
		if kill {
			_ = c.cmd.Wait() // it was killed
			c.start()
			if got := len(c.all("/api/v1/aaa_accounting/", "acctuniqueid")); got < answered*200 {
				t.Fatalf("%d sessions after the kill, and %d batches of 200 were answered", got, answered)
			}
		}
	}
	t.Logf("%d kills, %d of them in the middle of a batch", killed, unanswered)
	if unanswered == 0 {
		t.Error("no kill came in the middle of a batch")
	}
	for path, field := range map[string]string{"/api/v1/aaa_accounting/": "acctuniqueid", "/api/v1/txlog_portal/": "id"} {
		got := c.all(path, field)
		if len(got) != batches*200 {
			t.Errorf("%s: %d different records, want %d", path, len(got), batches*200)
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
