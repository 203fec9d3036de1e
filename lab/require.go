package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

// RequireKernel lets the test go on only where labs can be built. Elsewhere it skips the test and says what is
// missing; where CI is set it fails the test. It records the test by Ran. programs are needed beside those of every lab.
func RequireKernel(t testing.TB, programs ...string) {
	t.Helper()
	require(t, whyNotIsolated(), missing("ip", "nsenter", "nft", "dnsmasq", "udhcpc", "busybox"), missing(programs...))
}

// RequireBrowser is RequireKernel for a test that drives Chromium.
func RequireBrowser(t testing.TB) {
	t.Helper()
	require(t, whyNotIsolated(), missing("nsenter", "chromium"))
}

// Program lets the test go on only where there is a program that it asks for its judgement. Such a test needs neither a kernel nor
// time for itself, and runs with the race detector where its package has no other.
func Program(t testing.TB, name string) {
	t.Helper()
	require(t, missing(name))
}

// RequireLoop is RequireKernel for a test that mounts a LoopDisk.
func RequireLoop(t testing.TB) {
	t.Helper()
	err := whyNotIsolated()
	if err == nil {
		err = loopUsable()
	}
	require(t, err, missing("mkfs.ext4"))
}

// RequireOldKernel is RequireKernel for a test that boots another kernel under an emulator, which needs no rights: kernel is
// the folder of the kernel, as scripts/oldkernel.sh makes it, and programs are those that the test needs.
func RequireOldKernel(t testing.TB, kernel string, programs ...string) {
	t.Helper()
	_, err := os.Stat(kernel)
	require(t, err, missing(programs...))
}

// Require lets the test go on only where there is none of errs, which say what a package of the lab lacks, and records it.
func Require(t testing.TB, errs ...error) {
	t.Helper()
	require(t, errs...)
}

func require(t testing.TB, errs ...error) {
	t.Helper()
	err := errors.Join(errs...)
	switch {
	case err == nil:
		Ran(t)
	case os.Getenv("CI") != "":
		t.Fatalf("this test must run where CI is set: %v", err)
	default:
		t.Skipf("not possible here: %v", err)
	}
}

// missing names the programs that are not in PATH.
func missing(programs ...string) error {
	var absent []string
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			absent = append(absent, p)
		}
	}
	if absent == nil {
		return nil
	}
	return fmt.Errorf("programs not in PATH: %s", strings.Join(absent, ", "))
}

// Ran records that a test really ran: it appends "package.TestName" to the file named by GATEHOUSE_RAN_FILE, if that
// is set. The RequireX functions call it.
func Ran(t testing.TB) {
	t.Helper()
	name := os.Getenv("GATEHOUSE_RAN_FILE")
	if name == "" {
		return
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatalf("recording that the test ran: %v", err)
	}
	_, err = fmt.Fprintf(f, "%s.%s\n", callerPackage(), t.Name())
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatalf("recording that the test ran: %v", err)
	}
}

// callerPackage is the import path of the nearest caller in a _test.go file, without the _test suffix.
func callerPackage() string {
	pcs := make([]uintptr, 16)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		frame, more := frames.Next()
		if strings.HasSuffix(frame.File, "_test.go") {
			dir, base := "", frame.Function
			if i := strings.LastIndexByte(base, '/'); i >= 0 {
				dir, base = base[:i+1], base[i+1:]
			}
			pkg, _, _ := strings.Cut(base, ".")
			return dir + strings.TrimSuffix(pkg, "_test")
		}
		if !more {
			return "unknown"
		}
	}
}
