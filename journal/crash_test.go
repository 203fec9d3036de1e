package journal

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

const envVictim = "GATEHOUSE_TEST_JOURNAL"

// TestKilledBetweenCommits lets another process commit from many callers, kills it at a moment it does not know, and
// finds every commit that it had reported, each whole.
func TestKilledBetweenCommits(t *testing.T) {
	if path := os.Getenv(envVictim); path != "" {
		commitForEver(path)
	}
	path := filepath.Join(t.TempDir(), "journal.db")
	acknowledged := make(map[int]bool)
	for round := range 3 {
		for _, n := range killAfter(t, path, round*1_000_000, 500) {
			acknowledged[n] = true
		}
		j, err := Open(t.Context(), path, Options{})
		must(t, err)
		found := make(map[string]int)
		for _, s := range load(t, j) {
			found[s.AcctSessionID] |= 1
		}
		all, err := j.Pending(t.Context(), 1_000_000)
		must(t, err)
		for _, e := range all {
			if e.Accounting != nil {
				found[e.Accounting.Session.AcctSessionID] |= 2
			} else {
				found[e.Transaction.AcctSessionID] |= 4
			}
		}
		must(t, j.Close())
		for n := range acknowledged {
			if id := sessionN(n).AcctSessionID; found[id] != 7 {
				t.Errorf("commit %d was acknowledged and is not whole: %03b", n, found[id])
			}
		}
		for id, parts := range found {
			if parts != 7 {
				t.Errorf("half a commit: %s %03b", id, parts)
			}
		}
	}
	t.Logf("%d commits acknowledged", len(acknowledged))
}

// killAfter starts a process that commits sessions numbered from first on, kills it once it has reported that many, and
// returns all that it reported.
func killAfter(t *testing.T, path string, first, many int) []int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestKilledBetweenCommits$")
	cmd.Env = append(os.Environ(), envVictim+"="+path, "FIRST="+strconv.Itoa(first))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	var numbers []int
	for lines := bufio.NewScanner(out); lines.Scan(); {
		n, err := strconv.Atoi(lines.Text())
		must(t, err)
		if numbers = append(numbers, n); len(numbers) == many {
			must(t, cmd.Process.Kill())
		}
	}
	if err := cmd.Wait(); err == nil || len(numbers) < many {
		t.Fatalf("the process ended by itself after %d commits: %v", len(numbers), err)
	}
	return numbers
}

// commitForEver is the process that is killed.
func commitForEver(path string) {
	first, err := strconv.Atoi(os.Getenv("FIRST"))
	exitOn(err)
	j, err := Open(context.Background(), path, Options{})
	exitOn(err)
	var wg sync.WaitGroup
	for caller := range 20 {
		wg.Go(func() {
			for n := first + caller; ; n += 20 {
				b := login(n)
				b.Transactions[0].AcctSessionID = b.Sessions[0].AcctSessionID
				exitOn(j.Commit(context.Background(), b))
				fmt.Println(n)
			}
		})
	}
	wg.Wait()
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
