package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestSize holds the program to its budget on a router (DESIGN §6): one import can undo the linker's pruning for all.
func TestSize(t *testing.T) {
	const budget = 14_000_000 // octets, arm64, stripped
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "make", "-s", "-C", "../..", "gateway", "BIN="+dir)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "MAKEFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	info, err := os.Stat(filepath.Join(dir, "gatehouse"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > budget {
		t.Errorf("%d octets, %d more than the budget", info.Size(), info.Size()-budget)
	}
	t.Logf("%d octets of %d", info.Size(), budget)
}
