package admin

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// SocketName is the control socket's name in the runtime directory.
const SocketName = "control.sock"

// ErrRunning says that another daemon holds the control socket.
var ErrRunning = errors.New("another gatehouse is running")

// Listener is the control socket. Close removes it; other daemons are kept out until Unlock.
type Listener struct {
	net.Listener
	lock  *os.File
	group int // gid that may talk on it; -1: none
}

// Listen makes the runtime directory and the control socket in it, for root, the own user and the group where there is
// one of that name. It returns ErrRunning, wrapped, when a daemon holds the socket; a socket that a daemon left behind is
// replaced.
func Listen(dir, group string) (*Listener, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making runtime directory: %w", err)
	}
	path := filepath.Join(dir, SocketName)
	lock, err := hold(path + ".lock")
	if err != nil {
		return nil, err
	}
	l := &Listener{lock: lock, group: -1}
	if err := l.listen(path, group); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return l, nil
}

// hold takes the lock that lives exactly as long as the daemon. The file itself stays: removing it would let two in.
func hold(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening lock: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("%w: it holds %s", ErrRunning, path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (l *Listener) listen(path, group string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing old control socket: %w", err)
	}
	inner, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("opening control socket: %w", err)
	}
	if g, lookupErr := user.LookupGroup(group); lookupErr == nil {
		if l.group, err = strconv.Atoi(g.Gid); err == nil {
			err = os.Chown(path, -1, l.group)
		}
	}
	if err == nil {
		err = os.Chmod(path, 0o660)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("setting the control socket's group: %w", err), inner.Close())
	}
	l.Listener = inner
	return nil
}

// Unlock lets the next daemon in. Call it last, when nothing of this daemon is left to do; Close does not.
func (l *Listener) Unlock() error { return l.lock.Close() }
