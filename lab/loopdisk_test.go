package lab_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"gatehouse/lab"
)

func TestLoopDiskTellsSyncedFromUnsynced(t *testing.T) {
	lab.RequireLoop(t)
	dir := t.TempDir()
	disk, err := lab.NewLoopDisk(dir, 32)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := disk.Close(); err != nil {
			t.Error(err)
		}
	})
	content := bytes.Repeat([]byte("gatehouse "), 1000)
	synced, err := os.Create(filepath.Join(disk.Mountpoint, "synced"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := synced.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(synced.Sync(), synced.Close()); err != nil {
		t.Fatal(err)
	}
	// An append to a file that exists on the disk, and a new file: neither synced.
	f, err := os.OpenFile(filepath.Join(disk.Mountpoint, "synced"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString("unsynced")
	if err := errors.Join(err, f.Close(), os.WriteFile(filepath.Join(disk.Mountpoint, "unsynced"), content, 0o600)); err != nil {
		t.Fatal(err)
	}

	snapshot := filepath.Join(dir, "copy.img")
	if err := disk.Snapshot(snapshot); err != nil {
		t.Fatal(err)
	}
	mnt, unmount, err := lab.MountCopy(snapshot)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unmount(); err != nil {
			t.Error(err)
		}
	})
	if got, err := os.ReadFile(filepath.Join(mnt, "synced")); err != nil || !bytes.Equal(got, content) {
		t.Errorf("synced file: %v, %d octets, want exactly the %d that were synced", err, len(got), len(content))
	}
	if _, err := os.Stat(filepath.Join(mnt, "unsynced")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file that was never synced is in the copy (%v)", err)
	}
}
