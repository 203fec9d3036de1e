package oldkernel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Emulator is the program that emulates the computer.
const Emulator = "qemu-system-x86_64"

// envInside is set for the tests inside of the emulated computer.
const envInside = "GATEHOUSE_OLD_KERNEL"

// Machine is a computer with a kernel and what runs on it.
type Machine struct {
	Kernel   string   // folder with an unpacked kernel package of Debian's: boot/vmlinuz-*, lib/modules
	Programs []string // by name, of this machine; busybox gives what is not named
	Suites   []Suite  // one after another
	Slowdown int      // how much longer than here things may take: lab.Patience
}

// Suite is a package whose tests run.
type Suite struct {
	Package string        // import path
	Dir     string        // its folder
	Run     string        // which tests, as in go test -run; empty for all
	Skip    string        // which not, as in go test -skip
	Timeout time.Duration // of all its tests together
}

// Result is how a test ended, named as in TestX/part.
type Result struct {
	Suite   int // which one of Machine.Suites; -1 for none
	Name    string
	Verdict string // PASS, FAIL or SKIP
}

// Inside tells whether this process runs on the emulated computer.
func Inside() bool { return os.Getenv(envInside) != "" }

// Boot compiles the tests, boots the computer, waits until it switches itself off, and returns how each test ended. A suite that
// ends with another exit code than 0 adds a Result that has no name and says FAIL. The console is copied to output.
func (m Machine) Boot(ctx context.Context, output io.Writer) ([]Result, error) {
	work, err := os.MkdirTemp("", "oldkernel-")
	if err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	kernel, err := m.image()
	if err != nil {
		return nil, err
	}
	binaries, err := m.compile(ctx, work)
	if err != nil {
		return nil, err
	}
	disk := filepath.Join(work, "initramfs")
	if err := m.pack(ctx, disk, binaries); err != nil {
		return nil, err
	}
	var console bytes.Buffer
	cmd := exec.CommandContext(ctx, Emulator, "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "1G", "-nodefaults", "-no-user-config",
		"-display", "none", "-serial", "stdio", "-no-reboot", "-nic", "none", "-kernel", kernel, "-initrd", disk,
		"-append", "console=ttyS0 quiet panic=-1 mitigations=off "+envInside+"=1")
	both := io.MultiWriter(&console, output)
	cmd.Stdout, cmd.Stderr = both, both
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("running the emulated computer: %w", errors.Join(err, ctx.Err()))
	}
	return m.results(console.String())
}

func (m Machine) image() (string, error) {
	images, err := filepath.Glob(filepath.Join(m.Kernel, "boot", "vmlinuz-*"))
	if err == nil && len(images) != 1 {
		err = fmt.Errorf("%d kernels in %s, not one", len(images), m.Kernel)
	}
	if err != nil {
		return "", fmt.Errorf("finding the kernel: %w", err)
	}
	return images[0], nil
}

func (m Machine) compile(ctx context.Context, work string) ([]string, error) {
	var binaries []string
	for i, suite := range m.Suites {
		binary := filepath.Join(work, strconv.Itoa(i)+".test")
		cmd := exec.CommandContext(ctx, "go", "test", "-c", "-ldflags=-s -w", "-o", binary, suite.Package)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH=amd64")
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("compiling the tests of %s: %w\n%s", suite.Package, err, out)
		}
		binaries = append(binaries, binary)
	}
	return binaries, nil
}

func (m Machine) pack(ctx context.Context, name string, binaries []string) error {
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("making the first file system: %w", err)
	}
	return errors.Join(m.initramfs(ctx, file, binaries), file.Close())
}

func suiteFolder(i int) string { return fmt.Sprintf("suites/%d", i) }

// script runs the suites.
func (m Machine) script() string {
	var b strings.Builder
	fmt.Fprintf(&b, "#!/bin/sh\nexport CI=true GATEHOUSE_PATIENCE=%d\n", max(m.Slowdown, 1))
	for i, suite := range m.Suites {
		fmt.Fprintf(&b, "echo 'gatehouse: suite %d'\ncd /%s && ./suite.test -test.v -test.timeout=%v -test.parallel=2 -test.run='%s'", i, suiteFolder(i),
			suite.Timeout, suite.Run)
		if suite.Skip != "" {
			fmt.Fprintf(&b, " -test.skip='%s'", suite.Skip)
		}
		fmt.Fprintf(&b, "\necho \"gatehouse: suite %d exits $?\"\n", i)
	}
	return b.String()
}

// The lines of the console that count. Another message may stand before them on the same line.
var (
	lineVerdict = regexp.MustCompile(`--- (PASS|FAIL|SKIP): (\S+) \(`)
	lineSuite   = regexp.MustCompile(`gatehouse: suite (\d+)$`)
	lineExit    = regexp.MustCompile(`gatehouse: suite (\d+) exits (\d+)$`)
)

const lineEnd = "gatehouse: the end"

// results reads the console.
func (m Machine) results(console string) ([]Result, error) {
	var results []Result
	current, exits, ended := -1, 0, false
	for line := range strings.Lines(console) {
		line = strings.TrimRight(line, "\r\n")
		if found := lineSuite.FindStringSubmatch(line); found != nil {
			current, _ = strconv.Atoi(found[1])
		} else if found := lineExit.FindStringSubmatch(line); found != nil {
			exits++
			if found[2] != "0" {
				results = append(results, Result{Suite: current, Verdict: "FAIL"})
			}
		} else if found := lineVerdict.FindStringSubmatch(line); found != nil {
			results = append(results, Result{Suite: current, Name: found[2], Verdict: found[1]})
		}
		ended = ended || strings.HasSuffix(line, lineEnd)
	}
	if !ended || exits != len(m.Suites) {
		return nil, fmt.Errorf("the emulated computer stopped after %d of %d suites", exits, len(m.Suites))
	}
	return results, nil
}
