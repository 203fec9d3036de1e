package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"gatehouse/journal"
	"gatehouse/lab"
	"gatehouse/lab/venue"
	"gatehouse/sessions"
)

// The named points of a login and of a logout in their order, and whether the disk must hold the Start, or the Stop,
// from there on (DESIGN D16: journal before answer).
var loginPoints = []struct {
	name    string
	durable bool
}{
	{"login.begun", false},
	{"login.decided", false},
	{"journal.before_commit", false},
	{"journal.after_commit", true},
	{"login.journaled", true},
	{"login.admitted", true},
	{"portal.before_answer", true},
	{"portal.after_answer", true},
}

var logoutPoints = []struct {
	name         string
	cut, durable bool
}{
	{"logout.begun", false, false},
	{"logout.cut", true, false},
	{"journal.before_commit", true, false},
	{"journal.after_commit", true, true},
	{"logout.journaled", true, true},
	{"logout.released", true, true},
}

// crashRig is a venue whose state lies on a loop disk of its own.
type crashRig struct {
	*venue.Venue
	disk  *lab.LoopDisk
	steps *steps
	guest *venue.Guest
}

// newCrashRig starts a daemon that never stops, over a new disk.
func newCrashRig(t *testing.T) *crashRig {
	t.Helper()
	disk, err := lab.NewLoopDisk(t.TempDir(), 32)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after the venue's own, so that no daemon holds the disk
		if err := disk.Close(); err != nil {
			t.Error(err)
		}
	})
	r := &crashRig{disk: disk, steps: newSteps(t)}
	r.Venue = newVenue(t, venue.Options{StateDir: disk.Mountpoint, CentreAway: true})
	if r.guest, err = r.AddGuest(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

// restartAt starts the daemon anew, to stop at the point; empty: nowhere.
func (r *crashRig) restartAt(t *testing.T, point string) {
	t.Helper()
	r.Daemon.Kill()
	r.SetDaemon(r.steps.daemon(r.Gatehouse(), point))
	if err := r.StartGateway(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// crash does something that leads through the point, copies the disk as it is there, and kills the daemon there.
func (r *crashRig) crash(t *testing.T, point string, lead func(context.Context)) *stateOnDisk {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan struct{})
	go func() { defer close(done); lead(ctx) }()
	at, err := r.steps.reached(10 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	image := filepath.Join(t.TempDir(), "copy.img")
	if err := r.disk.Snapshot(image); err != nil {
		t.Fatal(err)
	}
	r.Daemon.Kill()
	cancel()
	<-done
	return readDisk(t, image)
}

// stateOnDisk is what a journal holds.
type stateOnDisk struct {
	open, resumable []sessions.Session
	kinds           []sessions.RecordKind // queued records, in order
	types           []sessions.TransactionType
}

// readDisk mounts a copy of the disk, as after a power cut, and reads the journal on it.
func readDisk(t *testing.T, image string) *stateOnDisk {
	t.Helper()
	mountpoint, unmount, err := lab.MountCopy(image)
	if err != nil {
		t.Fatalf("mounting the copy: %v", err)
	}
	defer func() {
		if err := unmount(); err != nil {
			t.Error(err)
		}
	}()
	return readJournal(t, filepath.Join(mountpoint, "journal.db"))
}

func readJournal(t *testing.T, path string) *stateOnDisk {
	t.Helper()
	j, err := journal.Open(t.Context(), path, journal.Options{})
	if err != nil {
		t.Fatalf("the journal as the power cut left it: %v", err)
	}
	defer j.Close()
	all, err := j.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	entries, err := j.Pending(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	s := &stateOnDisk{}
	for _, one := range all {
		if one.Running() {
			s.open = append(s.open, one)
		} else {
			s.resumable = append(s.resumable, one)
		}
	}
	for _, e := range entries {
		if e.Accounting != nil {
			s.kinds = append(s.kinds, e.Accounting.Kind)
		} else {
			s.types = append(s.types, e.Transaction.Type)
		}
	}
	return s
}

func TestCrashAtEveryPointOfALogin(t *testing.T) {
	lab.RequireKernel(t)
	lab.RequireLoop(t)
	for _, point := range loginPoints {
		t.Run(point.name, func(t *testing.T) {
			r := newCrashRig(t)
			r.restartAt(t, point.name)
			sheet, err := r.guest.Sheet(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			disk := r.crash(t, point.name, func(ctx context.Context) { _, _ = r.guest.Submit(ctx, sheet, "click", nil) })
			if want := count(point.durable); len(disk.open) != want || len(disk.kinds) != want || len(disk.types) != want {
				t.Errorf("on the disk: %d sessions, records %v, transactions %v; want %d of each", len(disk.open), disk.kinds, disk.types, want)
			}
			r.afterLoginCrash(t, point.durable)
		})
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// afterLoginCrash starts the daemon again: the station is on with one session, or can log in; then everything is
// accounted once.
func (r *crashRig) afterLoginCrash(t *testing.T, begun bool) {
	t.Helper()
	r.restartAt(t, "")
	p, err := r.guest.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if on := p.Status == http.StatusNoContent; on != begun {
		t.Errorf("after the restart the probe is answered %d; want the station on: %v", p.Status, begun)
	}
	if !begun {
		if p, err = r.guest.Click(t.Context()); err != nil || p.Status != http.StatusOK {
			t.Fatalf("logging in after the crash: %d %v", p.Status, err)
		}
	}
	if _, err := r.CLI(t.Context(), "", "logout", r.guest.MAC.String()); err != nil {
		t.Fatal(err)
	}
	r.wantOnce(t)
}

// wantOnce stops the daemon and checks that its journal tells of one session, begun once and stopped once.
func (r *crashRig) wantOnce(t *testing.T) {
	t.Helper()
	if err := r.Daemon.Terminate(); err != nil {
		t.Errorf("stopping the daemon: %v", err)
	}
	s := readJournal(t, filepath.Join(r.disk.Mountpoint, "journal.db"))
	if !slices.Equal(s.kinds, []sessions.RecordKind{sessions.Start, sessions.Stop}) || len(s.open) != 0 || len(s.types) != 2 {
		t.Errorf("records %v, transactions %v, %d sessions open; want one Start, one Stop, two transactions and none", s.kinds, s.types, len(s.open))
	}
}

func TestCrashAtEveryPointOfALogout(t *testing.T) {
	lab.RequireKernel(t)
	lab.RequireLoop(t)
	for _, point := range logoutPoints {
		t.Run(point.name, func(t *testing.T) {
			r := newCrashRig(t)
			if p, err := r.guest.Click(t.Context()); err != nil || p.Status != http.StatusOK {
				t.Fatalf("logging in: %d %v", p.Status, err)
			}
			r.restartAt(t, point.name)
			disk := r.crash(t, point.name, func(ctx context.Context) { _, _ = r.CLI(ctx, "", "logout", r.guest.MAC.String()) })
			if open := 1 - count(point.durable); len(disk.open) != open || len(disk.kinds) != 2-open {
				t.Errorf("on the disk: %d open sessions and records %v; want the Stop: %v", len(disk.open), disk.kinds, point.durable)
			}
			if point.cut {
				if got, err := r.guest.ProbeTCP(t.Context(), lab.WebAddr4+":443", time.Second); err != nil || got == lab.Connected {
					t.Errorf("with the daemon dead after the cut the station is %v (%v)", got, err)
				}
			}
			r.restartAt(t, "")
			if err := r.captiveOrOn(t.Context(), !point.cut); err != nil {
				t.Error(err)
			}
			if !point.cut {
				if _, err := r.CLI(t.Context(), "", "logout", r.guest.MAC.String()); err != nil {
					t.Fatal(err)
				}
			}
			r.wantOnce(t)
		})
	}
}

func (r *crashRig) captiveOrOn(ctx context.Context, on bool) error {
	p, err := r.guest.Probe(ctx)
	if err != nil {
		return err
	}
	if (p.Status == http.StatusNoContent) != on {
		return fmt.Errorf("after the restart the probe is answered %d; want the station on: %v", p.Status, on)
	}
	return nil
}
