package main

import (
	"context"
	"net"
	"os"
	"strconv"
	"time"
)

// The states that the service manager is told (sd_notify(3)).
const (
	stateReady     = "READY=1"
	stateReloading = "RELOADING=1"
	stateStopping  = "STOPPING=1"
	stateAlive     = "WATCHDOG=1"
)

// notify tells the service manager, where there is one that listens, and nobody else.
func notify(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"}) // "@" is the abstract name space
	if err != nil {
		return // a manager that went away does not stop the gateway
	}
	defer c.Close()
	_, _ = c.Write([]byte(state))
}

// watchdog shows the service manager that the daemon lives, twice per interval that it asked for.
func watchdog(ctx context.Context) error {
	interval := watchdogInterval()
	if interval == 0 {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(interval / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			notify(stateAlive)
		}
	}
}

func watchdogInterval() time.Duration {
	us, err := strconv.ParseUint(os.Getenv("WATCHDOG_USEC"), 10, 50)
	if pid := os.Getenv("WATCHDOG_PID"); err != nil || pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	return time.Duration(us) * time.Microsecond
}
