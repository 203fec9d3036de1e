package main

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"gatehouse/lab"
)

// A crowd plays many phones on one thread, so that on a machine of two processors the phones leave the gateway its share:
// real ones bring processors of their own. Each exchange is a raw HTTP request over a connection of its own, opened in
// the station's namespace.
type crowd struct {
	epoll int
	open  map[int32]*call
}

// phone is a station as a crowd uses it.
type phone struct{ ns netns.NsHandle }

// call is one exchange. When it is over, then is told the answer and may return the next call of the same phone.
type call struct {
	phone   phone
	to      netip.AddrPort
	request string
	then    func(answer string, took time.Duration) (*call, error)

	begun  time.Time
	sent   int
	answer []byte
}

// phones opens the namespaces of stations. Close what it returns by closePhones.
func phones(stations []*lab.Station) ([]phone, error) {
	all := make([]phone, 0, len(stations))
	for _, s := range stations {
		ns, err := netns.GetFromName(s.Name)
		if err != nil {
			return all, fmt.Errorf("opening the namespace of a station: %w", err)
		}
		all = append(all, phone{ns})
	}
	return all, nil
}

func closePhones(all []phone) {
	for i := range all {
		_ = all[i].ns.Close()
	}
}

// run makes the calls all at once, and those that follow from them, to the end of the last.
func (c crowd) run(calls []*call) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread changes namespaces and ends here
		result <- c.loop(calls)
	}()
	return <-result
}

func (c crowd) loop(calls []*call) (err error) {
	c.open = map[int32]*call{}
	if c.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	defer unix.Close(c.epoll)
	defer func() {
		for fd := range c.open {
			_ = unix.Close(int(fd))
		}
	}()
	for _, one := range calls {
		if err := c.dial(one); err != nil {
			return err
		}
	}
	events := make([]unix.EpollEvent, 256)
	for len(c.open) > 0 {
		n, err := unix.EpollWait(c.epoll, events, 30_000)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			return errors.Join(err, fmt.Errorf("%d exchanges hang", len(c.open)))
		}
		for _, e := range events[:n] {
			if err := c.advance(e.Fd); err != nil {
				return err
			}
		}
	}
	return nil
}

// dial begins a call in its phone's namespace.
func (c crowd) dial(one *call) error {
	one.begun = time.Now()
	if err := netns.Set(one.phone.ns); err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	err = unix.Connect(fd, &unix.SockaddrInet4{Addr: one.to.Addr().As4(), Port: int(one.to.Port())})
	if err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return errors.Join(fmt.Errorf("connecting to %s: %w", one.to, err), unix.Close(fd))
	}
	c.open[int32(fd)] = one
	return unix.EpollCtl(c.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLOUT, Fd: int32(fd)})
}

// advance does what the connection is ready for.
func (c crowd) advance(fd int32) error {
	one := c.open[fd]
	if one.sent < len(one.request) {
		n, err := unix.Write(int(fd), []byte(one.request[one.sent:]))
		if err != nil {
			return fmt.Errorf("sending to %s: %w", one.to, err)
		}
		if one.sent += n; one.sent == len(one.request) {
			return unix.EpollCtl(c.epoll, unix.EPOLL_CTL_MOD, int(fd), &unix.EpollEvent{Events: unix.EPOLLIN, Fd: fd})
		}
		return nil
	}
	buf := make([]byte, 4096)
	n, err := unix.Read(int(fd), buf)
	if errors.Is(err, unix.ECONNRESET) { // an answer too, if an empty one
		n, err, one.answer = 0, nil, nil
	}
	if err != nil {
		return fmt.Errorf("reading from %s: %w", one.to, err)
	}
	if n > 0 {
		one.answer = append(one.answer, buf[:n]...)
		return nil
	}
	took := time.Since(one.begun)
	delete(c.open, fd)
	if err := unix.Close(int(fd)); err != nil {
		return err
	}
	next, err := one.then(string(one.answer), took)
	if err != nil || next == nil {
		return err
	}
	return c.dial(next)
}
