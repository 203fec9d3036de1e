package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gatehouse/internal/sqlite"
	"gatehouse/lab"
	"gatehouse/sessions"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m.Run)) }

// TestPowerCut takes the disk as a power cut would leave it at every named point of commits: the first into a new file, one
// into a log that begins again, one after a clean end of the program. What Commit has returned for is there whole; what
// it has not, is there whole or not at all.
func TestPowerCut(t *testing.T) {
	lab.RequireLoop(t)
	for _, cut := range cuts(t, sqlite.Full) {
		if cut.err != nil || len(cut.found) < cut.durable {
			t.Errorf("%s: %d commits had returned, found %v, %v", cut.point, cut.durable, cut.found, cut.err)
		}
	}
}

// TestPowerCutWithoutSync shows that the test above can fail.
func TestPowerCutWithoutSync(t *testing.T) {
	lab.RequireLoop(t)
	for _, cut := range cuts(t, sqlite.Off) {
		if cut.err != nil || len(cut.found) < cut.durable {
			return
		}
	}
	t.Error("with synchronous turned off the disk still had everything at every point")
}

func TestFullDisk(t *testing.T) {
	lab.RequireLoop(t)
	disk, err := lab.NewLoopDisk(t.TempDir(), 16)
	must(t, err)
	defer func() { must(t, disk.Close()) }()
	j, err := Open(t.Context(), filepath.Join(disk.Mountpoint, "journal.db"), Options{})
	must(t, err)
	defer func() { must(t, j.Close()) }()
	filler := filepath.Join(disk.Mountpoint, "filler")
	if err := os.WriteFile(filler, make([]byte, 16<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("got %v, want ENOSPC", err)
	}
	n := 0
	for ; err == nil && n < 10_000; n++ { // what the log's file has already it goes on using
		err = j.Commit(t.Context(), login(n))
	}
	if !errors.Is(err, sqlite.ErrFull) || !strings.Contains(err.Error(), "make room") {
		t.Fatalf("after %d commits: got %v, want sqlite.ErrFull", n, err)
	}
	if got := len(load(t, j)); got != n-1 {
		t.Errorf("%d sessions, want the %d that were acknowledged", got, n-1)
	}
	must(t, os.Remove(filler))
	must(t, j.Commit(t.Context(), login(n)))
}

// cut is what was found on one copy of the disk.
type cut struct {
	point   string
	durable int // how many commits had returned, or were told to be on disk
	found   []string
	err     error
}

func cuts(t *testing.T, synchronous sqlite.Synchronous) []cut {
	dir := t.TempDir()
	disk, err := lab.NewLoopDisk(dir, 16)
	must(t, err)
	defer func() { must(t, disk.Close()) }()

	var all []cut
	snapshot := func(point string, durable int) {
		c := cut{point: fmt.Sprintf("%s of commit %d", point, durable), durable: durable}
		must(t, disk.Snapshot(filepath.Join(dir, fmt.Sprint(len(all)))))
		all = append(all, c)
	}
	done := 0
	o := Options{Synchronous: synchronous, Step: func(point string) {
		if point == StepAfterCommit {
			done++
		}
		snapshot(point, done)
	}}
	for range 2 {
		j, err := Open(t.Context(), filepath.Join(disk.Mountpoint, "journal.db"), o)
		must(t, err)
		for range 2 {
			must(t, j.Commit(t.Context(), login(done)))
			must(t, j.Tidy(t.Context()))
			snapshot("after the checkpoint", done)
		}
		must(t, j.Close())
		snapshot("after the end", done)
	}
	for i := range all {
		all[i].found, all[i].err = afterPowerCut(t, filepath.Join(dir, fmt.Sprint(i)))
	}
	return all
}

// afterPowerCut starts a journal on a copy of the disk and returns its sessions, or an error when one of them is not whole.
func afterPowerCut(t *testing.T, image string) (found []string, err error) {
	mountpoint, unmount, err := lab.MountCopy(image)
	if err != nil {
		return nil, err
	}
	defer func() { must(t, unmount()) }()
	j, err := Open(t.Context(), filepath.Join(mountpoint, "journal.db"), Options{})
	if err != nil {
		return nil, err
	}
	defer func() { must(t, j.Close()) }()
	all, err := j.Load(t.Context())
	if err != nil {
		return nil, err
	}
	entries, err := j.Pending(t.Context(), 1000)
	if err != nil {
		return nil, err
	}
	var starts []string
	for _, s := range all {
		found = append(found, s.AcctSessionID)
	}
	for _, e := range entries {
		if e.Accounting != nil && e.Accounting.Kind == sessions.Start {
			starts = append(starts, e.Accounting.Session.AcctSessionID)
		}
	}
	if fmt.Sprint(starts) != fmt.Sprint(found) || len(entries) != 2*len(found) {
		return found, fmt.Errorf("sessions %v, Starts %v, %d entries in the outbox", found, starts, len(entries))
	}
	return found, nil
}
