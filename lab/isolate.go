package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	envInit   = "GATEHOUSE_LAB_INIT"    // set for the first process of the new namespaces
	envWhyNot = "GATEHOUSE_LAB_WHY_NOT" // why the program runs without isolation

	markerDir = "/run/gatehouse-lab" // exists only on the lab's own /run
	netnsDir  = "/run/netns"
	tempDir   = "/run/tmp"
)

// Main runs the program again inside namespaces of its own and returns its exit code; in there it calls run. SIGINT,
// SIGTERM, SIGHUP and SIGQUIT reach the inner program once. When this process dies, by whatever signal, all inner
// processes die with it. Where the machine does not allow isolation, run is called without it and New will refuse.
func Main(run func() int) int {
	if os.Getenv(envInit) != "" && os.Getpid() == 1 {
		return initMain()
	}
	if isolated() || os.Getenv(envWhyNot) != "" {
		return run()
	}
	code, err := isolate()
	if err != nil {
		_ = os.Setenv(envWhyNot, err.Error())
		return run()
	}
	return code
}

// isolated tells whether this process lives inside Main's namespaces.
func isolated() bool {
	_, err := os.Stat(markerDir)
	return err == nil
}

// whyNotIsolated is the reason in words, or nil inside Main's namespaces.
func whyNotIsolated() error {
	if isolated() {
		return nil
	}
	if why := os.Getenv(envWhyNot); why != "" {
		return errors.New(why)
	}
	return errors.New("the program did not start through lab.Main")
}

func isolate() (int, error) {
	// The parent-death signal comes when this thread dies, so the thread must last as long as the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	signals := notify()
	defer func() { signal.Stop(signals); close(signals) }()
	cmd, err := startInit()
	if err != nil {
		return 0, err
	}
	go forward(signals, cmd.Process.Pid)
	_ = cmd.Wait() // the state tells all
	return exitCode(cmd.ProcessState.Sys().(syscall.WaitStatus)), nil
}

// startInit starts this program as process 1 of new namespaces: as root plainly, else, or when root may not, in a
// user namespace.
func startInit() (*exec.Cmd, error) {
	const flags = unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWUTS
	if os.Geteuid() == 0 {
		if cmd, err := startWith(&syscall.SysProcAttr{Cloneflags: flags}); err == nil {
			return cmd, nil
		}
	}
	cmd, err := startWith(&syscall.SysProcAttr{
		Cloneflags:  flags | unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	})
	if err != nil {
		return nil, fmt.Errorf("root or unprivileged user namespaces are needed: %w", err)
	}
	return cmd, nil
}

func startWith(attr *syscall.SysProcAttr) (*exec.Cmd, error) {
	attr.Pdeathsig = syscall.SIGKILL
	attr.Setpgid = true // Ctrl-C comes once, through forward
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = os.Args
	cmd.Env = append(os.Environ(), envInit+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = attr
	return cmd, cmd.Start()
}

// initMain is process 1: it prepares the mounts, starts the program as an ordinary process, whose signals act as
// anywhere else, and reaps the orphans that end up here. When it returns, the kernel ends all that is left.
func initMain() int {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, envInit+"=") && !strings.HasPrefix(e, "TMPDIR=") {
			env = append(env, e)
		}
	}
	if err := prepare(); err != nil {
		env = append(env, envWhyNot+"="+err.Error())
	} else {
		env = append(env, "TMPDIR="+tempDir)
	}
	signals := notify()
	pid, err := syscall.ForkExec("/proc/self/exe", os.Args, &syscall.ProcAttr{Env: env, Files: []uintptr{0, 1, 2}})
	if err != nil {
		fmt.Fprintf(os.Stderr, "lab: starting the program: %v\n", err)
		return 1
	}
	go forward(signals, pid)
	for {
		var status syscall.WaitStatus
		got, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			fmt.Fprintf(os.Stderr, "lab: waiting for the program: %v\n", err)
			return 1
		case got == pid:
			return exitCode(status)
		}
	}
}

// prepare makes the mounts of the new namespaces. Its last act is the marker.
func prepare() error {
	resolv, resolvErr := filepath.EvalSymlinks("/etc/resolv.conf")
	for _, m := range []struct {
		source, target, fstype string
		flags                  uintptr
		data                   string
	}{
		{"none", "/", "", unix.MS_REC | unix.MS_PRIVATE, ""},
		{"proc", "/proc", "proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		{"tmpfs", "/run", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=755"},
	} {
		if err := unix.Mount(m.source, m.target, m.fstype, m.flags, m.data); err != nil {
			return fmt.Errorf("mounting %s on %s: %w", m.source, m.target, err)
		}
	}
	for _, dir := range []string{netnsDir, tempDir} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	if err := os.Chmod(tempDir, 0o1777); err != nil {
		return err
	}
	if resolvErr == nil { // without the file nothing reads it
		if err := replaceResolvConf(resolv); err != nil {
			return fmt.Errorf("replacing %s: %w", resolv, err)
		}
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("reading loopback interface: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("setting loopback interface up: %w", err)
	}
	return os.Mkdir(markerDir, 0o755)
}

// replaceResolvConf makes every process of the lab ask the gateway of its own network, whose address is the same in all.
func replaceResolvConf(target string) error {
	text := []byte("nameserver " + GuestGateway4 + "\n")
	if strings.HasPrefix(target, "/run/") { // the lab's own /run hides it
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.WriteFile(target, text, 0o644)
	}
	const own = "/run/resolv.conf"
	if err := os.WriteFile(own, text, 0o644); err != nil {
		return err
	}
	return unix.Mount(own, target, "", unix.MS_BIND, "")
}

func notify() chan os.Signal {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	return signals
}

func forward(signals <-chan os.Signal, pid int) {
	for s := range signals {
		_ = syscall.Kill(pid, s.(syscall.Signal)) // it may be gone already
	}
}

// exitCode is the status as a shell would tell it.
func exitCode(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}
