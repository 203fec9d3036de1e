package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares got with testdata/NAME.golden.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// transcript is what command lines print, on either stream, and how they end.
func transcript(t *testing.T, stdin string, lines ...string) string {
	t.Helper()
	var b strings.Builder
	for _, line := range lines {
		var out, complaint bytes.Buffer
		code := executeWith(context.Background(), strings.Fields(line), streams{strings.NewReader(stdin), &out, &complaint}, nil)
		fmt.Fprintf(&b, "$ %s\n%s", strings.TrimSpace("gatehouse "+line), out.String())
		for text := range strings.Lines(complaint.String()) {
			b.WriteString("! " + text)
		}
		fmt.Fprintf(&b, "= %d\n\n", code)
	}
	return b.String()
}

func TestHelp(t *testing.T) {
	lines := []string{"", "-h", "help", "account", "account -h"}
	for _, v := range verbs(nil) {
		lines = append(lines, v.name+" -h")
	}
	golden(t, "help", transcript(t, "", lines...))
}

func TestWrongUse(t *testing.T) {
	golden(t, "wrong-use", transcript(t, "",
		"fly", "account fly", "--json", "run --speed 3", "run now", "status now", "login", "login a b", "logout", "logout --all x",
		"account add", "account add eve", "account add eve --generate --password-stdin",
		"account add eve --generate --session-timeout 90", "account add eve --generate --simultaneous-use -1",
		"account add eve --generate --expires tomorrow",
		"voucher create --csv --sheet",
		"voucher create --time soon",
		"voucher list first",
		"voucher revoke",
		"block", "block a b", "block 02005e100001 --for 90", "block list now", "unblock", "trust 02005e100001 --for 1.5s"))
}

func TestUnreachable(t *testing.T) {
	const socket = " --socket /nonexistent/control.sock"
	golden(t, "unreachable", transcript(t, "secret\n",
		"status"+socket, "stations --json"+socket, "sessions"+socket, "login guest/02005e100001"+socket, "logout --all"+socket,
		"block 02005e100001 --for 2h"+socket, "block list"+socket, "unblock 02005e100001"+socket, "trust 02005e100001"+socket,
		"account list"+socket, "account add eve --password-stdin"+socket, "account passwd eve --generate"+socket, "account remove eve"+socket))
}

func TestCheck(t *testing.T) {
	golden(t, "check", transcript(t, "",
		"check --config testdata/right.toml", "check --config testdata/right.toml --json",
		"check --config testdata/wrong.toml", "check --config testdata/wrong.toml --json",
		"check --config testdata/none.toml", "check --config testdata/none.toml --json"))
}

func TestVersion(t *testing.T) {
	got := transcript(t, "", "version")
	if want := "$ gatehouse version\ngatehouse 0.0.0+dev\n= 0\n\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := transcript(t, "", "version --json"); !strings.Contains(got, `"version": "0.0.0+dev"`) {
		t.Errorf("JSON: %s", got)
	}
}

func TestGenerate(t *testing.T) {
	a, b := generate(), generate()
	if len(a) != 12 || a == b {
		t.Errorf("%d characters, the same twice: %v", len(a), a == b)
	}
	if i := strings.IndexAny(string(a), "l1o0"); i >= 0 {
		t.Errorf("%c can be taken for another", a[i])
	}
}

func TestSpan(t *testing.T) {
	for seconds, want := range map[int64]string{0: "0s", 59: "59s", 60: "1m", 3600: "1h", 5400: "1h30m", 3661: "1h1m1s", 90000: "1d1h", 86400: "1d0s"} {
		if got := span(seconds); got != want {
			t.Errorf("span(%d) = %s, want %s", seconds, got, want)
		}
	}
	for n, want := range map[uint64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536 << 10: "1.5 MiB", 1 << 63: "8.0 EiB"} {
		if got := octets(n); got != want {
			t.Errorf("octets(%d) = %s, want %s", n, got, want)
		}
	}
	if got := plain("a\x1b[31mb"); got != `"a\x1b[31mb"` {
		t.Errorf("a name steers the terminal: %q", got)
	}
}
