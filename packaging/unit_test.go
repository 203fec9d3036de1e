package packaging_test

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// unit are the settings of a unit by key; a key that is there twice has the last value.
type unit map[string]string

func readUnit(t *testing.T, name string) unit {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("systemd", name))
	if err != nil {
		t.Fatal(err)
	}
	u := unit{}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			u[key] = value
		}
	}
	return u
}

// setpriv is the command that takes the rights away which the unit takes away.
func (u unit) setpriv() []string {
	caps := func(key, none string) string {
		var list []string
		for c := range strings.FieldsSeq(u[key]) {
			list = append(list, "+"+strings.ToLower(strings.TrimPrefix(c, "CAP_")))
		}
		return strings.Join(append([]string{none}, list...), ",")
	}
	return []string{"setpriv", "--reuid", u["User"], "--regid", u["Group"], "--clear-groups", "--no-new-privs",
		"--inh-caps", caps("AmbientCapabilities", "-all"), "--ambient-caps", caps("AmbientCapabilities", "-all"),
		"--bounding-set", caps("CapabilityBoundingSet", "-all")}
}

// start runs a command line as the unit runs its service, as far as a machine without systemd can: its user, its
// capabilities, its folders, and until it says that it is ready. What it returns stops the service in order.
func (m machine) start(name, line string) (stop func()) {
	m.t.Helper()
	u := readUnit(m.t, name)
	for base, key := range map[string]string{"/var/lib/": "StateDirectory", "/run/": "RuntimeDirectory"} {
		if dir := u[key]; dir != "" {
			m.run("install -d -o " + u["User"] + " -g " + u["Group"] + " -m " + u[key+"Mode"] + " " + base + dir)
		}
	}
	socket := filepath.Join(m.root, "run", "notify")
	ready, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		m.t.Fatal(err)
	}
	if err := os.Chmod(socket, 0o777); err != nil {
		m.t.Fatal(err)
	}
	cmd := exec.Command("chroot", append(append([]string{m.root}, u.setpriv()...), "sh", "-c", "umask "+u["UMask"]+"; "+execLast(line))...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin", "NOTIFY_SOCKET=/run/notify"}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	m.t.Cleanup(func() { _ = cmd.Process.Kill() })

	if err := ready.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		m.t.Fatal(err)
	}
	text := make([]byte, 512)
	n, err := ready.Read(text)
	if err != nil || !strings.Contains(string(text[:n]), "READY=1") {
		_ = cmd.Process.Kill()
		<-ended
		m.t.Fatalf("%s: is not ready: %q, %v\n%s", name, text[:n], err, &out)
	}
	return func() {
		m.t.Helper()
		_ = cmd.Process.Signal(unix.SIGTERM)
		select {
		case err := <-ended:
			if err != nil {
				m.t.Errorf("%s ended: %v\n%s", name, err, &out)
			}
		case <-time.After(20 * time.Second):
			m.t.Errorf("%s does not stop", name)
		}
		if err := ready.Close(); err != nil {
			m.t.Error(err)
		}
	}
}

// execLast makes the shell become a command line's only command.
func execLast(line string) string {
	if strings.Contains(line, "exec ") {
		return line
	}
	return "exec " + line
}
