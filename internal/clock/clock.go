package clock

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Clock is what rules may know about time.
type Clock interface {
	// Now is the wall clock. It may jump, in both directions, and is wrong on a router without a battery until NTP answers.
	Now() time.Time
	// Mono is the time since boot, suspend included (CLOCK_BOOTTIME). It never jumps.
	Mono() time.Duration
	// BootID names the boot that Mono counts from (/proc/sys/kernel/random/boot_id).
	BootID() string
}

type system struct{ bootID string }

// System returns the machine's own clock. The error says that the boot id could not be read.
func System() (Clock, error) {
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return nil, fmt.Errorf("reading boot id: %w", err)
	}
	return system{bootID: strings.TrimSpace(string(raw))}, nil
}

func (system) Now() time.Time { return time.Now() }

func (system) Mono() time.Duration {
	var ts unix.Timespec
	// CLOCK_BOOTTIME exists since Linux 2.6.39; the call has no other way to fail.
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts)
	return time.Duration(ts.Nano())
}

func (s system) BootID() string { return s.bootID }

// Measure is the time that f takes, for calibrating work to the device. It is no reading of the clock for rules.
func Measure(f func()) time.Duration {
	begun := time.Now()
	f()
	return time.Since(begun)
}

// Fake is a Clock for tests. Its readings advance with Advance only; Skew moves the wall clock alone, as NTP does.
type Fake struct {
	mu   sync.Mutex
	wall time.Time
	mono time.Duration
	boot string
}

// NewFake starts a Fake at the wall time given, one hour after a boot named bootID.
func NewFake(wall time.Time, bootID string) *Fake {
	return &Fake{wall: wall, mono: time.Hour, boot: bootID}
}

// Now is the fake wall clock.
func (f *Fake) Now() time.Time { f.mu.Lock(); defer f.mu.Unlock(); return f.wall }

// Mono is the fake time since boot.
func (f *Fake) Mono() time.Duration { f.mu.Lock(); defer f.mu.Unlock(); return f.mono }

// BootID is the fake boot id.
func (f *Fake) BootID() string { f.mu.Lock(); defer f.mu.Unlock(); return f.boot }

// Advance lets d pass on both clocks.
func (f *Fake) Advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wall, f.mono = f.wall.Add(d), f.mono+d
}

// Skew moves the wall clock by d and leaves Mono alone.
func (f *Fake) Skew(d time.Duration) { f.mu.Lock(); defer f.mu.Unlock(); f.wall = f.wall.Add(d) }

// Reboot begins a new boot: Mono starts again and the wall clock reads wall.
func (f *Fake) Reboot(bootID string, wall time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.boot, f.mono, f.wall = bootID, 10*time.Second, wall
}
