package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse/lab"
)

// TestMain lets the test binary be the program itself, so that tests can kill it.
func TestMain(m *testing.M) {
	if os.Getenv("GATEHOUSE_CENTRAL_SELF") != "" {
		main()
	}
	os.Exit(lab.Main(m.Run))
}

// self is the program as a child process.
func self(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), "GATEHOUSE_CENTRAL_SELF=1")
	return cmd
}

// call runs a verb in this process.
func call(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, &o, &e)
	return code, o.String(), e.String()
}

func database(t testing.TB) (path, url string) {
	path = filepath.Join(t.TempDir(), "c.db")
	return path, "sqlite://" + path
}

// done runs a verb that must succeed and returns its output without the last newline.
func done(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errOut := call(t, args...)
	if code != exitDone {
		t.Fatalf("%v: exit %d: %s", args, code, errOut)
	}
	return strings.TrimSuffix(out, "\n")
}

func TestVerbs(t *testing.T) {
	_, db := database(t)
	done(t, "migrate", "--database", db)
	done(t, "migrate", "--database", db) // again, on what is there
	if got := done(t, "org", "create", "--database", db, "--short-name", "acme", "--name", "Acme Ltd"); got != "1" {
		t.Errorf("first organisation is %q", got)
	}
	if got := done(t, "org", "create", "--database", db, "--short-name", "west", "--name", "West", "--parent", "acme"); got != "2" {
		t.Errorf("second organisation is %q", got)
	}
	one := done(t, "token", "create", "--database", db, "--org", "acme", "--role", "admin")
	two := done(t, "token", "create", "--database", db, "--org", "acme", "--role", "edge")
	if len(one) < 40 || strings.ContainsAny(one, " \n") || one == two {
		t.Errorf("tokens %q and %q", one, two)
	}
	if got := done(t, "serve", "--help"); !strings.HasPrefix(got, "usage:") {
		t.Errorf("help %q", got)
	}
	if got := done(t, "version"); !strings.HasPrefix(got, "gatehouse-central ") {
		t.Errorf("version %q", got)
	}
}

func TestExitCodes(t *testing.T) {
	path, db := database(t)
	missing := "sqlite://" + path + ".missing"
	done(t, "migrate", "--database", db)
	done(t, "org", "create", "--database", db, "--short-name", "acme", "--name", "Acme")
	spoiled := filepath.Join(t.TempDir(), "spoiled.db")
	if err := os.WriteFile(spoiled, bytes.Repeat([]byte("rubbish "), 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	tests := map[string]struct {
		args string
		code int
		says string
	}{
		"nothing":                   {"", 2, "usage:"},
		"unknown verb":              {"frobnicate", 2, "usage:"},
		"half a verb":               {"org", 2, "usage:"},
		"no database":               {"migrate", 2, "--database is missing"},
		"postgres":                  {"migrate --database postgres:///d?host=/nowhere", 3, "the database cannot be used at the moment"},
		"mistyped, with a password": {"migrate --database postgress://u:secret@h/d", 2, "postgress://u:xxxxx@h/d is neither"},
		"relative path":             {"migrate --database sqlite://c.db", 2, "is neither sqlite:///absolute/path.db nor postgres://"},
		"unknown flag":              {"migrate --database " + db + " --x", 2, "flag provided but not defined: -x"},
		"stray argument":            {"migrate --database " + db + " now", 2, `"now" is not a flag`},
		"no folder":                 {"migrate --database sqlite:///nowhere/c.db", 1, "/nowhere/c.db: make its folder, or name another one"},
		"not migrated":              {"serve --listen 127.0.0.1:0 --database " + missing, 1, "make it with gatehouse-central migrate"},
		"damaged":                   {"serve --listen 127.0.0.1:0 --database sqlite://" + spoiled, 1, "database is damaged: " + spoiled},
		"port in use":               {"serve --database " + db + " --listen " + busy.Addr().String(), 1, "address already in use"},
		"half of TLS":               {"serve --listen 127.0.0.1:0 --tls-cert x --database " + db, 2, "--tls-cert and --tls-key go together"},
		"no certificate":            {"serve --listen 127.0.0.1:0 --tls-cert /x --tls-key /x --database " + db, 1, "reading certificate: open /x"},
		"no listen":                 {"serve --database " + db, 2, "--listen is missing"},
		"taken":                     {"org create --short-name acme --name A --database " + db, 1, "there is an organisation acme already"},
		"no such parent":            {"org create --short-name x --name A --parent y --database " + db, 1, "there is no organisation y to be the parent"},
		"bad short name":            {"org create --short-name a/b --name A --database " + db, 2, "--short-name a/b is not made of"},
		"no such org":               {"token create --org y --role admin --database " + db, 1, "there is no organisation y"},
		"no such role":              {"token create --org acme --role king --database " + db, 2, "--role king is none of"},
		"no role at all":            {"token create --org acme --database " + db, 2, "--role is missing"},
		"users of a time":           {"export users --org acme --from 2026-01-01 --database " + db, 2, "without --from and --until"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			code, out, errOut := call(t, strings.Fields(test.args)...)
			if code != test.code || !strings.Contains(errOut, test.says) || out != "" {
				t.Errorf("exit %d, want %d with %q; said %q and %q", code, test.code, test.says, out, errOut)
			}
			if code == exitFailed && strings.Count(errOut, "\n") != 1 {
				t.Errorf("more than one line: %q", errOut)
			}
		})
	}
}

// TestManyAtOnce has processes make and migrate one database at the same time.
func TestManyAtOnce(t *testing.T) {
	_, db := database(t)
	var cmds []*exec.Cmd
	outputs := make([]bytes.Buffer, 6)
	for i := range outputs {
		cmd := self(t.Context(), "migrate", "--database", db)
		cmd.Stderr = &outputs[i]
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds = append(cmds, cmd)
	}
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %d: %v: %s", i, err, &outputs[i])
		}
	}
	done(t, "org", "create", "--database", db, "--short-name", "acme", "--name", "Acme")
}

// TestReadyAndStopping listens where systemd would.
func TestReadyAndStopping(t *testing.T) {
	_, db := database(t)
	done(t, "migrate", "--database", db)
	name := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	cmd := self(t.Context(), "serve", "--database", db, "--listen", "127.0.0.1:0")
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+name)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := func() string {
		if err := socket.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 100)
		n, err := socket.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	if got := read(); got != "READY=1" {
		t.Errorf("said %q, want READY=1", got)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := read(); got != "STOPPING=1" {
		t.Errorf("said %q, want STOPPING=1", got)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("stopped by SIGTERM: %v", err)
	}
	if err := notify("X=1"); err != nil {
		t.Error(fmt.Errorf("without systemd: %w", err))
	}
}

// TestUsageOfAVerb has who uses a verb wrongly see what is wrong, and that verb alone.
func TestUsageOfAVerb(t *testing.T) {
	for _, verb := range []string{"token create", "serve", "person erase", "export transactions", "radius-client add"} {
		_, _, errOut := call(t, append(strings.Fields(verb), "--nonsense")...)
		lines := strings.Split(errOut, "\n")
		if n := strings.Count(errOut, "\n  gatehouse-central "); n != 1 || len(lines) < 4 || lines[1] != "usage:" || !strings.Contains(lines[2], "--database URL") {
			t.Errorf("%s: told\n%s", verb, errOut)
		}
	}
}

// TestRootMakesFilesForTheService has what root makes in the service's folder belong to the service, which could not open it otherwise.
func TestRootMakesFilesForTheService(t *testing.T) {
	var err error
	if os.Geteuid() != 0 {
		err = errors.New("it needs root")
	}
	lab.Require(t, err)
	folder := t.TempDir()
	const service = 1000
	if err := os.Chown(folder, service, service); err != nil {
		t.Fatal(err)
	}
	db := "sqlite://" + filepath.Join(folder, "central.db")
	done(t, "migrate", "--database", db)
	done(t, "org", "create", "--database", db, "--short-name", "acme", "--name", "Acme")
	copied := filepath.Join(t.TempDir(), "copy")
	done(t, "backup", "--database", db, "--to", copied)
	done(t, "restore", "--database", "sqlite://"+filepath.Join(folder, "restored.db"), "--from", copied)
	files, err := os.ReadDir(folder)
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t); owner.Uid != service || owner.Gid != service {
			t.Errorf("%s belongs to %d:%d", f.Name(), owner.Uid, owner.Gid)
		}
	}
}
