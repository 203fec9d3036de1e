package dnsmasq

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Names of the files in their folder.
const (
	HostsFile   = "hosts"
	OptionsFile = "dhcp-options"
)

// Option codes (RFC 8910 §2).
const (
	captivePortal4 = 114
	captivePortal6 = 103
)

// Host is a name and where it is.
type Host struct {
	Name  string
	Addrs []netip.Addr
}

// Files are what dnsmasq is told.
type Files struct {
	Dir   string
	Hosts []Host
	// API is the address of the captive portal API; empty: none is announced.
	API string
	// Interfaces are where it is announced: dnsmasq tags every request with the name of its interface.
	Interfaces []string
}

// Write puts the files in place, readable for dnsmasq's own user, and tells whether they changed.
func (f *Files) Write() (changed bool, err error) {
	if err := os.MkdirAll(f.Dir, 0o755); err != nil {
		return false, fmt.Errorf("making dnsmasq's folder: %w", err)
	}
	if err := os.Chmod(f.Dir, 0o755); err != nil { // whatever the umask
		return false, fmt.Errorf("making dnsmasq's folder: %w", err)
	}
	for name, content := range map[string][]byte{HostsFile: f.hosts(), OptionsFile: f.options()} {
		wrote, err := replace(filepath.Join(f.Dir, name), content)
		if err != nil {
			return changed, fmt.Errorf("writing dnsmasq's files: %w", err)
		}
		changed = changed || wrote
	}
	return changed, nil
}

const header = "# Written by gatehouse, and read by dnsmasq when it gets SIGHUP.\n"

func (f *Files) hosts() []byte {
	var b bytes.Buffer
	b.WriteString(header)
	for _, h := range f.Hosts {
		for _, a := range h.Addrs {
			fmt.Fprintf(&b, "%s %s\n", a, h.Name)
		}
	}
	return b.Bytes()
}

func (f *Files) options() []byte {
	var b bytes.Buffer
	b.WriteString(header)
	for _, iface := range f.Interfaces {
		if f.API != "" {
			fmt.Fprintf(&b, "tag:%s,%d,%s\n", iface, captivePortal4, f.API)
			fmt.Fprintf(&b, "tag:%s,option6:%d,%s\n", iface, captivePortal6, f.API)
		}
	}
	return b.Bytes()
}

// replace puts a file in place whole, if it is not there like that.
func replace(path string, content []byte) (bool, error) {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		return false, nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return false, err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return false, errors.Join(err, os.Remove(f.Name()))
	}
	return true, nil
}

// Reread has every dnsmasq of this network namespace read its files again, and tells how many there are that we may tell.
func Reread() (told int, err error) {
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return 0, fmt.Errorf("looking for dnsmasq: %w", err)
	}
	processes, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, comm := range processes {
		name, err := os.ReadFile(comm)
		if err != nil || strings.TrimSpace(string(name)) != "dnsmasq" {
			continue // or it has just ended
		}
		dir := filepath.Dir(comm)
		if ns, err := os.Readlink(filepath.Join(dir, "ns/net")); err != nil || ns != own {
			if errors.Is(err, fs.ErrPermission) {
				errs = append(errs, err)
			}
			continue
		}
		var pid int
		if _, err := fmt.Sscan(filepath.Base(dir), &pid); err != nil {
			continue
		}
		if err := syscall.Kill(pid, syscall.SIGHUP); err == nil {
			told++
		} else if !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, fmt.Errorf("telling process %d: %w", pid, err))
		}
	}
	return told, errors.Join(errs...)
}
