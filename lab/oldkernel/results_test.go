package oldkernel

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestResults(t *testing.T) {
	two := Machine{Suites: make([]Suite, 2)}
	const whole = "\x1bcgatehouse: suite 0\r\n--- PASS: TestA (0.10s)\r\n    --- FAIL: TestA/b (0.10s)\r\ngatehouse: suite 0 exits 1\r\n" +
		"gatehouse: suite 1\r\n[  2.0] noise--- SKIP: TestC (0.00s)\r\nPASS\r\ngatehouse: suite 1 exits 0\r\ngatehouse: the end\r\n[  9.1] reboot: Power down\r\n"
	got, err := two.results(whole)
	if err != nil {
		t.Fatal(err)
	}
	want := []Result{{0, "TestA", "PASS"}, {0, "TestA/b", "FAIL"}, {0, "", "FAIL"}, {1, "TestC", "SKIP"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, console := range map[string]string{
		"nothing":         "",
		"panic":           strings.ReplaceAll(whole, "gatehouse: the end", "Kernel panic - not syncing"),
		"a suite missing": strings.ReplaceAll(whole, "gatehouse: suite 1 exits 0", ""),
	} {
		if got, err := two.results(console); err == nil {
			t.Errorf("%s: no error but %v", name, got)
		}
	}
}
