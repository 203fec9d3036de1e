package lab

import (
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Patience is how long something may take that takes d on an ordinary machine: d times GATEHOUSE_PATIENCE, a whole number that
// lab/oldkernel sets where a computer is emulated in software; d itself everywhere else.
func Patience(d time.Duration) time.Duration {
	factor, err := strconv.Atoi(os.Getenv("GATEHOUSE_PATIENCE"))
	if err != nil || factor < 1 {
		return d
	}
	return d * time.Duration(factor)
}

// Soak is how long a random run lasts that takes d in an ordinary test: with GATEHOUSE_SOAK, which make soak sets, as long as
// DURATION says, or 10 minutes.
func Soak(d time.Duration) time.Duration {
	if os.Getenv("GATEHOUSE_SOAK") == "" {
		return d
	}
	if long, err := time.ParseDuration(os.Getenv("DURATION")); err == nil && long > 0 {
		return long
	}
	return 10 * time.Minute
}

// TickLag is how long ago the kernel's last clock tick was. By its ticks, not by the time that packets are stamped with, the
// kernel ends what has a timeout: on a virtual machine whose host is busy they come up to 20 ms late now and then, and what
// begins or ends meanwhile is off by as much.
func TickLag() time.Duration {
	var tick, now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC_COARSE, &tick) != nil || unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return 0
	}
	return time.Duration(now.Nano() - tick.Nano())
}
