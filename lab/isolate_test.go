package lab_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"gatehouse/lab"
)

// envVictim makes the test binary a program that enters a lab of its own, from outside of ours, and does what the value says.
const envVictim = "LAB_TEST_VICTIM"

func TestMain(m *testing.M) {
	victim := os.Getenv(envVictim)
	if victim == "" {
		os.Exit(lab.Main(m.Run))
	}
	if err := leaveLab(victim); err != nil {
		fmt.Fprintln(os.Stderr, "victim:", err)
		os.Exit(99)
	}
	os.Exit(lab.Main(func() int { return runVictim(victim) }))
}

// leaveLab takes our lab's /run out of the victim's mount namespace, so that Main finds an ordinary machine, and gives up
// root where the victim asks for that. Inside the victim's own lab there is nothing to leave.
func leaveLab(victim string) error {
	if os.Getenv("LAB_TEST_LEFT") != "" {
		return nil
	}
	if err := errors.Join(unix.Unmount("/run", unix.MNT_DETACH), os.Setenv("LAB_TEST_LEFT", "1")); err != nil {
		return err
	}
	if victim == "unprivileged" {
		const nobody = 65534
		return errors.Join(syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody),
			unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0))
	}
	return nil
}

func runVictim(victim string) int {
	err := errors.New("unknown victim")
	switch victim {
	case "exit":
		return 7
	case "wait":
		err = nil
	case "orphan":
		err = orphan()
	case "full", "unprivileged":
		err = fullLab(victim == "full")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "victim:", err)
		return 98
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin) // until the test ends us
	return 0
}

// fullLab builds everything that could be left behind.
func fullLab(disk bool) error {
	l, err := lab.New(context.Background(), lab.Options{})
	if err != nil {
		return err
	}
	s, err := l.AddStation(context.Background(), lab.StationOptions{})
	if err != nil {
		return err
	}
	if _, err := s.Start(context.Background(), []string{"setsid", "sleep", "1000"}, nil, nil); err != nil {
		return err
	}
	if !disk {
		return s.Ping(context.Background(), lab.WebAddr6)
	}
	_, err = lab.NewLoopDisk(l.Dir, 8)
	return err
}

// orphan leaves a grandchild to process 1 and waits until that has reaped it.
func orphan() error {
	out, err := exec.Command("sh", "-c", "sleep 0.05 >/dev/null & echo $!").Output()
	if err != nil {
		return err
	}
	return lab.WaitFor(context.Background(), 5*time.Second, func() error {
		if _, err := os.Stat("/proc/" + strings.TrimSpace(string(out))); !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("the orphan was not reaped: %v", err)
		}
		return nil
	})
}

// startVictim starts a victim and waits until it is ready.
func startVictim(t *testing.T, victim string) (*exec.Cmd, io.Closer) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^$")
	cmd.Env = append(os.Environ(), envVictim+"="+victim)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	stdin, hold, err := os.Pipe() // not StdinPipe: Wait would close that, and so end the victim for the wrong reason
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hold.Close() })
	cmd.Stdin = stdin
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = stdin.Close()
	line, _ := bufio.NewReader(stdout).ReadString('\n')
	if victim != "exit" && line != "ready\n" {
		t.Fatalf("victim says %q, %v", line, cmd.Wait())
	}
	return cmd, hold
}

func TestMainExitCodesAndSignals(t *testing.T) {
	lab.RequireKernel(t)
	for _, tc := range []struct {
		victim string
		signal syscall.Signal
		want   int
	}{
		{"exit", 0, 7},
		{"wait", 0, 0},
		{"orphan", 0, 0},
		{"wait", syscall.SIGTERM, 128 + int(syscall.SIGTERM)}, // the default action, though process 1 has none
		{"wait", syscall.SIGINT, 128 + int(syscall.SIGINT)},
	} {
		t.Run(fmt.Sprintf("%s/%d", tc.victim, tc.signal), func(t *testing.T) {
			cmd, stdin := startVictim(t, tc.victim)
			if tc.signal != 0 {
				if err := cmd.Process.Signal(tc.signal); err != nil {
					t.Fatal(err)
				}
			} else if err := stdin.Close(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != tc.want {
				t.Errorf("exit code %d, want %d", got, tc.want)
			}
		})
	}
}

func TestNothingIsLeftBehindAfterKill(t *testing.T) {
	lab.RequireLoop(t)
	before := traces(t)
	cmd, _ := startVictim(t, "full")
	during := traces(t)
	if len(during) < len(before)+10 { // processes with namespaces, and a loop device
		t.Fatalf("the victim shows %d traces, before it %d: the test would see nothing", len(during), len(before))
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	err := lab.WaitFor(t.Context(), 10*time.Second, func() error {
		if diff := cmp.Diff(before, traces(t)); diff != "" {
			return fmt.Errorf("left behind (-before +after):\n%s", diff)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// traces are all processes, namespaces and attached loop devices that can be seen from here.
func traces(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	procs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range procs {
		if _, err := os.Readlink(p + "/exe"); err != nil {
			continue // gone, or a zombie
		}
		found[p] = true
		for _, ns := range []string{"net", "mnt", "pid"} {
			if id, err := os.Readlink(p + "/ns/" + ns); err == nil {
				found[id] = true
			}
		}
	}
	loops, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range loops {
		found[l] = true
	}
	return found
}

func TestUnprivileged(t *testing.T) {
	lab.RequireKernel(t)
	cmd, stdin := startVictim(t, "unprivileged")
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
