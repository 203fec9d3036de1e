package lab

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// LoopDisk is a small disk in a file, with a mounted ext4 on it, whose content can be had as it would be found after a
// power cut. It needs root. The kernel detaches it when it is unmounted, and when the lab's process dies.
type LoopDisk struct {
	Mountpoint string
	file       string
}

// NewLoopDisk makes a disk in folder dir, with an empty file system, and mounts it.
func NewLoopDisk(dir string, sizeMiB int) (*LoopDisk, error) {
	d := &LoopDisk{Mountpoint: filepath.Join(dir, "disk"), file: filepath.Join(dir, "disk.img")}
	if err := whyNotIsolated(); err != nil {
		return nil, fmt.Errorf("no disk can be mounted: %w", err)
	}
	f, err := os.OpenFile(d.file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("making the disk's file: %w", err)
	}
	if err := errors.Join(f.Truncate(int64(sizeMiB)<<20), f.Close()); err != nil {
		return nil, fmt.Errorf("making the disk's file: %w", err)
	}
	// Nothing may be left to a kernel thread: it would write at some later time, synced or not.
	out, err := exec.Command("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard", d.file).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("making the disk's file system: %w\n%s", err, out)
	}
	if err := mountLoop(d.file, d.Mountpoint); err != nil {
		return nil, err
	}
	return d, nil
}

// Close unmounts the disk.
func (d *LoopDisk) Close() error { return unmountLoop(d.Mountpoint) }

// Snapshot copies the disk to a file as a power cut would leave it at this moment. What is written but not synced is only
// in the memory of the mounted file system (for up to some seconds) and not in the copy. Who writes to the disk has to
// stand still meanwhile: a copy takes time, and no power cut leaves early blocks of one moment and late ones of another.
func (d *LoopDisk) Snapshot(path string) error {
	from, err := os.Open(d.file)
	if err != nil {
		return fmt.Errorf("copying the disk: %w", err)
	}
	defer func() { _ = from.Close() }()
	to, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("copying the disk: %w", err)
	}
	_, err = io.Copy(to, from)
	if err := errors.Join(err, to.Close()); err != nil {
		return fmt.Errorf("copying the disk: %w", err)
	}
	return nil
}

// MountCopy mounts a snapshot as a machine does that starts after a power cut: the file system's journal is replayed. The
// snapshot is changed by that. Call unmount at the end.
func MountCopy(path string) (mountpoint string, unmount func() error, err error) {
	mountpoint = path + ".mnt"
	if err := mountLoop(path, mountpoint); err != nil {
		return "", nil, err
	}
	return mountpoint, func() error { return unmountLoop(mountpoint) }, nil
}

// mountLoop mounts an ext4 in a file on a folder that it makes.
func mountLoop(file, mountpoint string) error {
	if err := os.Mkdir(mountpoint, 0o755); err != nil {
		return fmt.Errorf("mounting %s: %w", file, err)
	}
	loop, err := attachLoop(file)
	if err != nil {
		return fmt.Errorf("attaching %s to a loop device: %w", file, err)
	}
	defer func() { _ = loop.Close() }()
	// Unsynced data must stay in memory as long as the kernel can be made to keep it there.
	if err := unix.Mount(loop.Name(), mountpoint, "ext4", unix.MS_NOATIME, "commit=300"); err != nil {
		return fmt.Errorf("mounting %s: %w", file, err)
	}
	return nil
}

func unmountLoop(mountpoint string) error {
	if err := unix.Unmount(mountpoint, 0); err != nil {
		return fmt.Errorf("unmounting %s: %w", mountpoint, err)
	}
	return os.Remove(mountpoint)
}

// attachLoop attaches a file to a free loop device that detaches itself at its last use.
func attachLoop(file string) (*os.File, error) {
	backing, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = backing.Close() }()
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = control.Close() }()
	for {
		number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, os.NewSyscallError("LOOP_CTL_GET_FREE", err)
		}
		loop, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", number), os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		config := unix.LoopConfig{Fd: uint32(backing.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}}
		err = unix.IoctlLoopConfigure(int(loop.Fd()), &config)
		if err == nil {
			return loop, nil
		}
		_ = loop.Close()
		if !errors.Is(err, unix.EBUSY) { // busy: somebody else took it meanwhile
			return nil, os.NewSyscallError("LOOP_CONFIGURE", err)
		}
	}
}

// loopUsable tells whether this process may attach loop devices.
func loopUsable() error {
	f, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("loop devices need root: %w", err)
	}
	return f.Close()
}
