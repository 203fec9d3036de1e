package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"runtime"
	"time"
)

func versionVerb() verb {
	return verb{
		name: "version", short: "print the version of this program",
		bind: func(f *flag.FlagSet) action {
			var asJSON bool
			bindJSON(f, &asJSON)
			return func(_ context.Context, s streams, _ []string) error {
				told := struct {
					Version string `json:"version"`
					Built   string `json:"built"`
					Go      string `json:"go"`
					OS      string `json:"os"`
					Arch    string `json:"arch"`
				}{versionName(), built, runtime.Version(), runtime.GOOS, runtime.GOARCH}
				if asJSON {
					return printJSON(s.out, told)
				}
				fmt.Fprintf(s.out, "gatehouse %s\n", told.Version)
				return nil
			}
		},
	}
}

func versionName() string { return cmp.Or(version, "0.0.0+dev") }

// believable is the earliest wall time that can be true: when this program was built (DESIGN D8).
func believable() time.Time {
	at, err := time.Parse(time.RFC3339, built)
	if err != nil { // not built by make: no release is older than this
		return time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)
	}
	return at
}
