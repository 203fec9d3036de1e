package lab

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Process is a daemon that runs on a Host. It ends with the context that started it, or with the lab.
type Process struct {
	cmd  *exec.Cmd
	log  logBuffer
	done chan struct{}
	err  error // of Wait; readable when done is closed
}

// Start starts a daemon inside the namespace: argv, environment entries beside our own, and a writer that gets its
// output beside Log (nil for none).
func (h *Host) Start(ctx context.Context, argv, env []string, output io.Writer) (*Process, error) {
	p := &Process{cmd: h.Command(ctx, argv[0], argv[1:]...), done: make(chan struct{})}
	p.cmd.Env = append(p.cmd.Environ(), env...)
	p.log.tee = output
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	p.cmd.WaitDelay = time.Second // its children may hold the output open
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s in %s: %w", argv[0], h.Name, err)
	}
	h.lab.track(p)
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
		h.lab.untrack(p)
	}()
	return p, nil
}

// PID is the process id inside the lab.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the end; the error is exec.Cmd's, as for a program that exits with another code than 0.
func (p *Process) Wait() error {
	<-p.done
	return p.err
}

// Signal sends a signal. A process that has ended is no error.
func (p *Process) Signal(s syscall.Signal) {
	select {
	case <-p.done:
	default:
		_ = p.cmd.Process.Signal(s)
	}
}

// Kill ends the process as a crash does, by SIGKILL, and waits for its end.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.done
}

// Terminate asks the process to end, by SIGTERM, and waits for its end; the error is Wait's.
func (p *Process) Terminate() error {
	p.Signal(syscall.SIGTERM)
	return p.Wait()
}

// Log is what the process has written so far, on both streams.
func (p *Process) Log() string { return p.log.String() }

type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
	tee io.Writer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tee != nil {
		_, _ = l.tee.Write(b)
	}
	return l.buf.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// WaitFor calls check every 5 ms until it returns nil. After within, or the Patience for it, it gives up with check's last error.
func WaitFor(ctx context.Context, within time.Duration, check func() error) error {
	within = Patience(within)
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("after %v: %w", within, err)
		case <-tick.C:
		}
	}
}
