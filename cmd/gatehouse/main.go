package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
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

// verbs are all that the program can do. step is called at every named point of a login and a logout by the daemon; it is
// for tests, which stop there, and nil otherwise.
func verbs(step func(point string)) []verb {
	return []verb{
		runVerb(step), checkVerb(), previewVerb(), claimVerb(), cleanupVerb(), versionVerb(),
		statusVerb(), stationsVerb(), sessionsVerb(), loginVerb(), logoutVerb(), extendVerb(), pauseVerb(), explainVerb(), gardenVerb(), gardenTestVerb(),
		blockVerb(), blockListVerb(), unblockVerb(), trustVerb(), trustListVerb(), untrustVerb(), consentListVerb(), consentTextVerb(),
		accountAddVerb(), accountRemoveVerb(), accountListVerb(), accountPasswdVerb(),
		roomImportVerb(), roomListVerb(),
		voucherCreateVerb(), voucherListVerb(), voucherRevokeVerb(), voucherExportVerb(),
	}
}

func main() {
	os.Exit(executeWith(context.Background(), os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}, nil))
}

// executeWith runs one command line and returns the exit code.
func executeWith(ctx context.Context, args []string, s streams, step func(point string)) int {
	all := verbs(step)
	if len(args) == 0 {
		fmt.Fprint(s.err, overview(all, ""))
		return exitWrongUse
	}
	if len(args) == 1 && (isHelp(args[0]) || args[0] == "help") {
		fmt.Fprint(s.out, overview(all, ""))
		return exitDone
	}
	v, rest, ok := find(all, args)
	if family := args[0] + " "; !ok && slices.ContainsFunc(all, func(v verb) bool { return strings.HasPrefix(v.name, family) }) {
		if len(args) == 2 && isHelp(args[1]) {
			fmt.Fprint(s.out, overview(all, family))
			return exitDone
		}
		fmt.Fprint(s.err, overview(all, family))
		return exitWrongUse
	}
	if !ok {
		fmt.Fprintf(s.err, "gatehouse: there is no verb %q; \"gatehouse -h\" lists them\n", args[0])
		return exitWrongUse
	}
	return report(v.execute(ctx, rest, s), v, s)
}

func isHelp(arg string) bool { return arg == "-h" || arg == "-help" || arg == "--help" }

// find splits a command line into its verb, of one word or two, and the rest.
func find(all []verb, args []string) (verb, []string, bool) {
	for words := min(len(args), 2); words > 0; words-- {
		name := strings.Join(args[:words], " ")
		for _, v := range all {
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
func overview(all []verb, prefix string) string {
	var b strings.Builder
	b.WriteString("gatehouse lets guests into a network: caught, logged in, accounted, and cut off on time.\n\nUsage:\n")
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	for _, v := range all {
		if strings.HasPrefix(v.name, prefix) {
			fmt.Fprintf(w, "  gatehouse %s\t%s\n", strings.TrimSpace(v.name+" "+v.operands), v.short)
		}
	}
	_ = w.Flush() // into memory
	b.WriteString("\n\"gatehouse VERB -h\" tells more. Exit codes: 0 done, 1 the thing asked for is not so, 2 wrong use,\n3 the daemon cannot be reached.\n")
	return b.String()
}
