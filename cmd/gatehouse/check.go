package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"gatehouse/config"
)

func checkVerb() verb {
	return verb{
		name: "check", short: "look at a configuration and tell everything that is wrong with it",
		detail: "Reads the file and the files that it names; nothing else of this machine is looked at.",
		bind: func(f *flag.FlagSet) action {
			path := bindConfig(f)
			var asJSON bool
			bindJSON(f, &asJSON)
			return func(_ context.Context, s streams, _ []string) error {
				c, err := loadConfig(*path, nil)
				if asJSON {
					return errors.Join(printJSON(s.out, verdictOf(err)), err)
				}
				if err != nil {
					return err
				}
				names := make([]string, len(c.Zones))
				for i, z := range c.Zones {
					names[i] = z.Name
				}
				fmt.Fprintf(s.out, "%s is right; zones: %s\n", *path, strings.Join(names, ", "))
				return nil
			}
		},
	}
}

// verdict is what check tells in JSON.
type verdict struct {
	OK       bool            `json:"ok"`
	Problems config.Problems `json:"problems"`
}

func verdictOf(err error) verdict {
	var problems config.Problems
	switch {
	case err == nil:
		return verdict{OK: true, Problems: config.Problems{}}
	case errors.As(err, &problems):
		return verdict{Problems: problems}
	default:
		return verdict{Problems: config.Problems{{Wrong: err.Error(), Mend: "give the path of the configuration with --config"}}}
	}
}
