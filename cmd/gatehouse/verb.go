package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// streams are what a verb reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// action does what a verb is for.
type action func(ctx context.Context, s streams, operands []string) error

// verb is one thing that the program can do.
type verb struct {
	name     string
	operands string // as usage shows them
	least    int    // how many operands there must be
	most     int    // and may be
	short    string // one line in the list of verbs
	detail   string // what -h says besides
	bind     func(*flag.FlagSet) action
}

// usageError says that the command line makes no sense.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

// execute parses flags and operands, which may come in any order.
func (v verb) execute(ctx context.Context, args []string, s streams) error {
	flags := flag.NewFlagSet(v.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	do := v.bind(flags)
	var operands []string
	for {
		err := flags.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(s.out, v.help(flags))
			return nil
		}
		if err != nil {
			return &usageError{err.Error()}
		}
		if flags.NArg() == 0 {
			break
		}
		operands, args = append(operands, flags.Arg(0)), flags.Args()[1:]
	}
	if len(operands) < v.least {
		return &usageError{"it needs " + v.operands}
	}
	if len(operands) > v.most {
		return &usageError{fmt.Sprintf("%q is one word too many", operands[v.most])}
	}
	return do(ctx, s, operands)
}

func (v verb) help(flags *flag.FlagSet) string {
	var b strings.Builder
	fmt.Fprintf(&b, "gatehouse %s: %s\n\nUsage: %s\n", v.name, v.short, strings.TrimSpace("gatehouse "+v.name+" [flags] "+v.operands))
	if v.detail != "" {
		b.WriteString("\n" + v.detail + "\n")
	}
	b.WriteString("\nFlags:\n  -h\n    \tprint this text\n")
	flags.SetOutput(&b)
	flags.PrintDefaults()
	return b.String()
}
