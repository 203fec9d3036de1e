package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// newLogger logs lines of text, with a time stamp only where nobody else adds one: on a terminal.
func newLogger(w io.Writer, level slog.Level) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if !onTerminal(w) {
		options.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}
	}
	return slog.New(slog.NewTextHandler(w, options))
}

func onTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// tuneMemory lets the collector work harder above an eighth of the machine's memory, but at least 16 MiB, unless the
// operator has chosen by GOMEMLIMIT. GOGC stays: 50 saved 1 MB of 21 with 1,000 sessions, and logins pay for it.
func tuneMemory() {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetMemoryLimit(max(16<<20, int64(uint64(info.Totalram)*uint64(info.Unit)/8)))
}

const mendPermission = "run it as root, or give its service AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW"

var (
	errNoPermission = errors.New("CAP_NET_ADMIN is missing: " + mendPermission)
	errNoNFT        = errors.New("the nft program is not installed: install the package nftables")
	errNoRaw        = errors.New("CAP_NET_RAW is missing, stations could not be heard: " + mendPermission)
)

// mayAdministerNetwork says beforehand what the kernel would say in the middle of the start.
func mayAdministerNetwork() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("reading capabilities: %w", err)
	}
	if data[0].Effective&(1<<unix.CAP_NET_ADMIN) == 0 {
		return errNoPermission
	}
	return nil
}
