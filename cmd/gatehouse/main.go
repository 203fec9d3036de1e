package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"gatehouse/admin"
)

// Set by the build: the version, and the time that no right clock can be before (RFC 3339).
var version, built string

// The exit codes of DESIGN §5.
const (
	exitDone        = 0
	exitNotSo       = 1
	exitWrongUse    = 2
	exitUnreachable = 3
)

func verbs() []verb {
	return []verb{
		runVerb(), checkVerb(), cleanupVerb(), versionVerb(),
		statusVerb(), stationsVerb(), sessionsVerb(), loginVerb(), logoutVerb(),
		accountAddVerb(), accountRemoveVerb(), accountListVerb(), accountPasswdVerb(),
	}
}

func main() {
	os.Exit(execute(context.Background(), os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// execute runs one command line and returns the exit code.
func execute(ctx context.Context, args []string, s streams) int {
	if len(args) == 0 {
		fmt.Fprint(s.err, overview(""))
		return exitWrongUse
	}
	if len(args) == 1 && (isHelp(args[0]) || args[0] == "help") {
		fmt.Fprint(s.out, overview(""))
		return exitDone
	}
	v, rest, ok := find(args)
	if !ok && len(args) == 2 && isHelp(args[1]) && overview(args[0]+" ") != overview("none") {
		fmt.Fprint(s.out, overview(args[0]+" "))
		return exitDone
	}
	if !ok {
		fmt.Fprintf(s.err, "gatehouse: there is no verb %q; \"gatehouse -h\" lists them\n", strings.Join(args[:min(len(args), 2)], " "))
		return exitWrongUse
	}
	return report(v.execute(ctx, rest, s), v, s)
}

func isHelp(arg string) bool { return arg == "-h" || arg == "-help" || arg == "--help" }

// find splits a command line into its verb, of one word or two, and the rest.
func find(args []string) (verb, []string, bool) {
	for words := min(len(args), 2); words > 0; words-- {
		name := strings.Join(args[:words], " ")
		for _, v := range verbs() {
			if v.name == name {
				return v, args[words:], true
			}
		}
	}
	return verb{}, nil, false
}

// report turns an error into a message and an exit code.
func report(err error, v verb, s streams) int {
	var wrongUse *usageError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &wrongUse):
		fmt.Fprintf(s.err, "gatehouse %s: %v; see \"gatehouse %[1]s -h\"\n", v.name, err)
		return exitWrongUse
	case errors.Is(err, admin.ErrUnreachable):
		fmt.Fprintf(s.err, "gatehouse: %v\n", err)
		return exitUnreachable
	default:
		fmt.Fprintf(s.err, "gatehouse: %v\n", err)
		return exitNotSo
	}
}

// overview lists the verbs whose names begin with prefix.
func overview(prefix string) string {
	var b strings.Builder
	b.WriteString("gatehouse lets guests into a network: caught, logged in, accounted, and cut off on time.\n\nUsage:\n")
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	for _, v := range verbs() {
		if strings.HasPrefix(v.name, prefix) {
			fmt.Fprintf(w, "  gatehouse %s\t%s\n", strings.TrimSpace(v.name+" "+v.operands), v.short)
		}
	}
	_ = w.Flush() // into memory
	b.WriteString("\n\"gatehouse VERB -h\" tells more. Exit codes: 0 done, 1 the thing asked for is not so, 2 wrong use,\n3 the daemon cannot be reached.\n")
	return b.String()
}
