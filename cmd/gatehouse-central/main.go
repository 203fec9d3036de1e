package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"os/user"
	"strings"
	"syscall"

	"gatehouse/central/store"
)

// Exit codes (DESIGN §5).
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUnreachable = 3
)

const usage = `usage:
  gatehouse-central migrate      --database URL
  gatehouse-central serve        --database URL --listen ADDR [--tls-cert FILE --tls-key FILE] [--metrics ADDR]
                                 [--drain TIME] [--read-database URL] [--integer-ids] [--verbose]
  gatehouse-central org create   --database URL --short-name NAME --name TEXT [--parent NAME]
  gatehouse-central token create --database URL --org NAME --role admin|staff|readonly|edge|portal
  gatehouse-central version
URL is sqlite:///absolute/path.db or postgres://user:password@host:port/name
`

// version is set by the linker.
var version = "dev"

// errUsage marks an error that is the caller's use of the command line.
var errUsage = errors.New("wrong use")

// verb runs one command with the arguments after its name.
type verb func(ctx context.Context, args []string, out io.Writer) error

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	v, rest := find(args)
	if v == nil {
		fmt.Fprint(errOut, usage)
		return exitUsage
	}
	err := v(store.WithActor(ctx, caller()), rest, out)
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(out, usage)
		return exitDone
	case errors.Is(err, errUsage):
		fmt.Fprintf(errOut, "gatehouse-central: %v\n%s", err, usage)
		return exitUsage
	}
	fmt.Fprintf(errOut, "gatehouse-central: %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
	switch {
	case errors.Is(err, store.ErrUnavailable):
		return exitUnreachable
	case errors.Is(err, store.ErrURL):
		return exitUsage
	}
	return exitFailed
}

// caller is who runs the command, for the audit log: the user that sudo was called by, where it was.
func caller() store.Actor {
	name := os.Getenv("SUDO_USER")
	if u, err := user.Current(); err == nil && name == "" {
		name = u.Username
	}
	return store.Actor{Kind: store.ActorCommand, Name: name, Role: store.RoleAdmin}
}

// find is the verb that args begin with, and what follows it.
func find(args []string) (verb, []string) {
	verbs := map[string]verb{
		"migrate":      migrate,
		"serve":        serve,
		"org create":   createOrganization,
		"token create": createToken,
		"version":      printVersion,
	}
	for words := 1; words <= min(2, len(args)); words++ {
		if v := verbs[strings.Join(args[:words], " ")]; v != nil {
			return v, args[words:]
		}
	}
	return nil, nil
}

// flags are the flags of one verb; all have --database.
type flags struct {
	*flag.FlagSet
	database *string
}

func newFlags(name string) flags {
	f := flags{FlagSet: flag.NewFlagSet(name, flag.ContinueOnError)}
	f.SetOutput(io.Discard)
	f.database = f.String("database", "", "URL of the database")
	return f
}

// parse reads args and wants every one of the flags named to be given.
func (f flags) parse(args []string, needed ...string) error {
	if err := f.Parse(args); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if f.NArg() > 0 {
		return fmt.Errorf("%w: %q is not a flag", errUsage, f.Arg(0))
	}
	for _, name := range append([]string{"database"}, needed...) {
		if f.Lookup(name).Value.String() == "" {
			return fmt.Errorf("%w: --%s is missing", errUsage, name)
		}
	}
	return nil
}

// open opens the database that --database names; it must exist.
func (f flags) open(ctx context.Context) (*store.Store, error) {
	return store.Open(ctx, store.Config{URL: *f.database})
}
