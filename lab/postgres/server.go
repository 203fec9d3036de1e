package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const startTime = 60 * time.Second // on a machine that does much else

// Server is a running PostgreSQL.
type Server struct {
	dir, bin string
	settings []string
	as       *syscall.Credential // nil: as ourselves
	cmd      *exec.Cmd
	log      bytes.Buffer
	done     chan struct{}
}

// Start makes a database server and starts it. settings are as in postgresql.conf: name=value. Without fsync among them
// commits do not wait for the disk.
func Start(settings ...string) (*Server, error) { return StartIn("", settings...) }

// StartIn is Start with the server's folder in dir, for what must lie on a disk: the lab's temporary files are in memory.
func StartIn(dir string, settings ...string) (*Server, error) {
	s := &Server{}
	var err error
	if s.bin, err = programs(); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp(dir, "gatehouse-postgres-"); err != nil {
		return nil, err
	}
	if err := s.initialize(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	s.settings = append([]string{"listen_addresses=", "unix_socket_directories=" + s.dir, "fsync=off", "max_connections=200",
		"shared_buffers=128MB", "logging_collector=off", "timezone=UTC"}, settings...)
	if err := s.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	return s, nil
}

// programs is the folder of the newest PostgreSQL that is installed.
func programs() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(found) == 0 {
		if path, err := exec.LookPath("postgres"); err == nil {
			return filepath.Dir(path), nil
		}
		return "", errors.New("no PostgreSQL server is installed: apt-get install postgresql")
	}
	slices.SortFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(found[len(found)-1]), nil
}

func version(path string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	if err != nil {
		return 0
	}
	return n
}

// initialize makes the files. PostgreSQL does not run as root.
func (s *Server) initialize() error {
	if os.Geteuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			return fmt.Errorf("PostgreSQL does not run as root: %w", err)
		}
		uid, err := strconv.Atoi(u.Uid)
		if err != nil {
			return err
		}
		gid, err := strconv.Atoi(u.Gid)
		if err != nil {
			return err
		}
		s.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(s.dir, uid, gid); err != nil {
			return err
		}
	}
	cmd := s.command("initdb", "--pgdata", s.data(), "--username", "gatehouse", "--auth", "trust", "--no-sync", "--locale", "C.UTF-8",
		"--encoding", "UTF8")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as, Pdeathsig: syscall.SIGQUIT, Setpgid: true}
	return cmd
}

// Start starts the server again after Stop or Kill, on the same files.
func (s *Server) Start() error {
	args := []string{"-D", s.data()}
	for _, setting := range s.settings {
		args = append(args, "-c", setting)
	}
	s.cmd, s.done = s.command("postgres", args...), make(chan struct{})
	s.log.Reset()
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	started := make(chan error)
	go s.guard(started)
	if err := <-started; err != nil {
		return fmt.Errorf("starting postgres: %w", err)
	}
	deadline := time.Now().Add(startTime)
	for {
		err := s.answers()
		if err == nil {
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("postgres ended: %s", s.log.String())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			_ = s.cmd.Process.Kill()
			<-s.done
			return fmt.Errorf("postgres does not answer: %w: %s", err, s.log.String())
		}
	}
}

// guard starts the server from a thread that lives as long as the server does, because the server is told of the end of its
// parent's thread, not of the process's.
func (s *Server) guard(started chan<- error) {
	lockThread()
	err := s.cmd.Start()
	started <- err
	if err == nil {
		_ = s.cmd.Wait() // how it ends says its log
	}
	close(s.done)
}

func (s *Server) answers() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// URL is how to reach a database of the server.
func (s *Server) URL(database string) string {
	return "postgres://gatehouse@/" + database + "?" + url.Values{"host": {s.dir}}.Encode()
}

// Run runs a statement in the database postgres.
func (s *Server) Run(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}

// Stop ends the server's connections and the server, in order.
func (s *Server) Stop() { s.end(syscall.SIGINT) }

// Kill ends all processes of the server at once, as the kernel does when memory is short.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

func (s *Server) end(signal syscall.Signal) {
	if signal == syscall.SIGKILL {
		_ = syscall.Kill(-s.cmd.Process.Pid, signal)
	} else {
		_ = s.cmd.Process.Signal(signal)
	}
	<-s.done
}

// PID is the server's process id.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Dir is the server's folder; removing it is losing the disk.
func (s *Server) Dir() string { return s.dir }

// Close stops the server and removes its files.
func (s *Server) Close() error {
	s.Stop()
	return os.RemoveAll(s.dir)
}
