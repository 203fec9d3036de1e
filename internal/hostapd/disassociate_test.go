package hostapd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/internal/hostapd"
	"gatehouse/lab"
)

// fake puts a program of that name, and nothing else, into PATH. It writes down how it is called and does what the script says.
func fake(t *testing.T, name, script string) (calls func() []string) {
	t.Helper()
	dir := t.TempDir()
	log := filepath.Join(dir, "calls")
	t.Setenv("PATH", dir)
	if name != "" {
		text := fmt.Sprintf("#!/bin/sh\necho \"$*\" >> %s\n%s\n", log, script)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return func() []string {
		b, err := os.ReadFile(log)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	}
}

// run runs a Disassociator over the requests and returns its log once the last one is done with.
func run(t *testing.T, requests ...hostapd.Request) string {
	t.Helper()
	var log bytes.Buffer
	d := hostapd.New(slog.New(slog.NewTextHandler(&log, nil)))
	last := make(chan struct{})
	for _, r := range requests {
		d.Disassociate(r)
	}
	d.Disassociate(hostapd.Request{Stays: func() bool { close(last); return true }})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	select {
	case <-last:
	case <-time.After(30 * time.Second):
		t.Fatal("the requests were not done")
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return log.String()
}

func station(last byte, interfaces ...string) hostapd.Request {
	return hostapd.Request{MAC: [6]byte{2, 0, 0x5e, 0x10, 0, last}, Interfaces: func() []string { return interfaces }, Stays: func() bool { return false }}
}

func TestUbus(t *testing.T) {
	calls := fake(t, "ubus", `case "$2" in hostapd.lan3) echo "Command failed: Not found" >&2; exit 4;; esac`)
	again := station(3, "wlan0")
	again.Stays = func() bool { return true }
	log := run(t, station(1, "wlan0"), station(2, "lan3", "wlan1"), again, station(4, "lan3"))
	want := []string{
		`call hostapd.wlan0 del_client {"addr":"02:00:5e:10:00:01","reason":1,"deauth":true,"ban_time":0}`,
		`call hostapd.lan3 del_client {"addr":"02:00:5e:10:00:02","reason":1,"deauth":true,"ban_time":0}`,
		`call hostapd.wlan1 del_client {"addr":"02:00:5e:10:00:02","reason":1,"deauth":true,"ban_time":0}`,
		`call hostapd.lan3 del_client {"addr":"02:00:5e:10:00:04","reason":1,"deauth":true,"ban_time":0}`,
	}
	if diff := cmp.Diff(want, calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if strings.Count(log, "WARN") != 1 || !strings.Contains(log, "interface=lan3") || !strings.Contains(log, "Not found") {
		t.Errorf("the log does not tell of lan3 once:\n%s", log)
	}
}

func TestHostapdCLI(t *testing.T) {
	calls := fake(t, "hostapd_cli", `case "$2 $4" in *:02) echo FAIL;; wlan0*) echo OK;; *) echo "Failed to connect to hostapd - wpa_ctrl_open: No such file or directory"; exit 255;; esac`)
	log := run(t, station(1, "wlan0"), station(2, "wlan0"), station(3, "lan3"))
	want := []string{"-i wlan0 deauthenticate 02:00:5e:10:00:01", "-i wlan0 deauthenticate 02:00:5e:10:00:02", "-i lan3 deauthenticate 02:00:5e:10:00:03"}
	if diff := cmp.Diff(want, calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if strings.Count(log, "WARN") != 1 || !strings.Contains(log, "Failed to connect") {
		t.Errorf("the log does not tell of lan3 once:\n%s", log)
	}
}

func TestNoProgram(t *testing.T) {
	fake(t, "", "")
	if log := run(t, station(1, "wlan0"), station(2, "wlan0")); strings.Count(log, "neither ubus nor hostapd_cli") != 1 {
		t.Errorf("the log does not tell it once:\n%s", log)
	}
}

// TestNobodyWaits fills the queue of a Disassociator that does not run.
func TestNobodyWaits(t *testing.T) {
	var log bytes.Buffer
	d := hostapd.New(slog.New(slog.NewTextHandler(&log, nil)))
	for range 1000 {
		d.Disassociate(station(1))
	}
	if strings.Count(log.String(), "too many stations") != 1 {
		t.Errorf("the log does not tell it once:\n%.300s", log.String())
	}
}

// TestStuckProgram has a program that never answers: the stop does not wait for it.
func TestStuckProgram(t *testing.T) {
	calls := fake(t, "ubus", "exec /bin/sleep 1000")
	d := hostapd.New(slog.New(slog.DiscardHandler))
	d.Disassociate(station(1, "wlan0"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	err := lab.WaitFor(ctx, 20*time.Second, func() error {
		if calls()[0] == "" {
			return errors.New("it was not called")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("Run does not end")
	}
}
