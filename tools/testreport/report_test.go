package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const events = `{"Action":"start","Package":"p/good"}
{"Action":"run","Package":"p/good","Test":"TestA"}
{"Action":"output","Package":"p/good","Test":"TestA","Output":"quiet\n"}
{"Action":"pass","Package":"p/good","Test":"TestA","Elapsed":0.1}
{"Action":"skip","Package":"p/good","Test":"TestS","Elapsed":0}
{"Action":"output","Package":"p/good","Output":"PASS\n"}
{"Action":"pass","Package":"p/good","Elapsed":1.5}
`

const badEvents = `{"Action":"output","Package":"p/bad","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p/bad","Test":"TestA","Output":"    a_test.go:1: wrong\n"}
{"Action":"output","Package":"p/bad","Test":"TestB","Output":"of no interest\n"}
{"Action":"output","Package":"p/bad","Test":"TestB","Output":"--- PASS: TestB (0.00s)\n"}
{"Action":"fail","Package":"p/bad","Test":"TestA","Elapsed":0.1}
{"Action":"pass","Package":"p/bad","Test":"TestB","Elapsed":0.1}
{"Action":"fail","Package":"p/bad","Elapsed":0.2}
`

const brokenEvents = `{"ImportPath":"p/broken [p/broken.test]","Action":"build-output","Output":"broken.go:1: undefined: x\n"}
{"ImportPath":"p/broken [p/broken.test]","Action":"build-fail"}
{"Action":"start","Package":"p/broken"}
{"Action":"fail","Package":"p/broken","Elapsed":0,"FailedBuild":"p/broken [p/broken.test]"}
`

func TestRun(t *testing.T) {
	tests := map[string]struct {
		events, ran, must string
		strict            bool
		ok                bool
		want              []string
	}{
		"good":           {events: events, ok: true, want: []string{"ok  \tp/good\t1.500s\n", "    1.5s       1s  p/good  over its budget\n", "\n1 passed, 0 failed, 1 skipped\n"}},
		"skip in CI":     {events: events, strict: true, want: []string{"skipped, which CI does not allow:\n  p/good.TestS\n"}},
		"failed":         {events: events + badEvents, want: []string{"    a_test.go:1: wrong\nFAIL\tp/bad\t0.200s\n", "2 passed, 1 failed, 1 skipped\n"}},
		"does not build": {events: events + brokenEvents, want: []string{"undefined: x\nFAIL\tp/broken", "1 passed, 1 failed"}},
		"nothing":        {want: []string{"0 passed, 0 failed, 0 skipped\n"}},
		"not listed":     {events: events, ran: "p.TestK\n", want: []string{"ran in the lab and is not listed: p.TestK\n"}},
		"did not run":    {events: strings.ReplaceAll(events, "skip", "pass"), must: "p.TestK\n", strict: true, want: []string{"must run and did not: p.TestK\n"}},
		"on a laptop":    {events: events, must: "p.TestK\n", ok: true},
		"all ran":        {events: strings.ReplaceAll(events, "skip", "pass"), ran: "p.TestK\np.TestK\n", must: "# list\np.TestK\n", strict: true, ok: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := func(name, text string) string {
				path := filepath.Join(dir, name)
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				return path
			}
			o := options{budgets: file("budgets", "| `p/good` | 1 s | all |\n"), ran: file("ran", test.ran), must: file("must", test.must), strict: test.strict}
			var out strings.Builder
			ok, err := o.run(strings.NewReader(test.events), &out)
			if err != nil || ok != test.ok {
				t.Errorf("run = %v, %v; want %v", ok, err, test.ok)
			}
			for _, want := range test.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("the report lacks %q:\n%s", want, &out)
				}
			}
			if strings.Contains(out.String(), "of no interest") || strings.Contains(out.String(), "quiet") {
				t.Errorf("the report tells what passing tests wrote:\n%s", &out)
			}
		})
	}
}

func TestUpdate(t *testing.T) {
	dir := t.TempDir()
	o := options{ran: filepath.Join(dir, "ran"), must: filepath.Join(dir, "must"), update: true, strict: true}
	if err := os.WriteFile(o.ran, []byte("b.TestB\na.TestA\nb.TestB\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if ok, err := o.run(strings.NewReader(strings.ReplaceAll(events, "skip", "pass")), &out); err != nil || !ok {
		t.Fatalf("run = %v, %v\n%s", ok, err, &out)
	}
	if got, err := os.ReadFile(o.must); err != nil || string(got) != "a.TestA\nb.TestB\n" {
		t.Errorf("the list is %q, %v", got, err)
	}
}
