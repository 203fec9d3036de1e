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
	"slices"
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
		fmt.Fprint(out, usageOf(args[:len(args)-len(rest)]))
		return exitDone
	case errors.Is(err, errUsage):
		fmt.Fprintf(errOut, "gatehouse-central: %v\n%s", err, usageOf(args[:len(args)-len(rest)]))
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

// usageOf is the part of usage that is about one verb.
func usageOf(words []string) string {
	const program = "  gatehouse-central "
	part := "usage:\n"
	meant := false
	for line := range strings.Lines(usage) {
		if named, ok := strings.CutPrefix(line, program); ok {
			names := strings.Fields(named)
			meant = true
			for i, word := range words {
				meant = meant && slices.Contains(strings.Split(names[i], "|"), word)
			}
		} else if !strings.HasPrefix(line, "   ") {
			meant = strings.HasPrefix(line, "URL ")
		}
		if meant {
			part += line
		}
	}
	return part
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
		"migrate":             migrate,
		"serve":               serve,
		"org create":          createOrganization,
		"org list":            listOrganizations,
		"org update":          updateOrganization,
		"token create":        createToken,
		"token list":          listTokens,
		"token revoke":        revokeToken,
		"token rotate":        rotateToken,
		"gateway list":        listGateways,
		"gateway claim":       claimGateway,
		"gateway revoke":      revokeGateway,
		"user role":           setUserRole,
		"audit verify":        verifyAudit,
		"audit list":          listAudit,
		"plan create":         createPlan,
		"plan list":           listPlans,
		"voucher create":      createVouchers,
		"voucher list":        listVouchers,
		"voucher revoke":      revokeVouchers,
		"voucher export":      exportVouchers,
		"import users":        importUsers,
		"import vouchers":     importVouchers,
		"export users":        exportRows("users"),
		"export accounting":   exportRows("accounting"),
		"export transactions": exportRows("transactions"),
		"person export":       exportPerson,
		"person erase":        erasePerson,
		"backup":              backup,
		"restore":             restore,
		"version":             printVersion,

		"radius-client add":    addRADIUSClient,
		"radius-client list":   listRADIUSClients,
		"radius-client remove": removeRADIUSClient,
	}
	for words := 1; words <= min(2, len(args)); words++ {
		if v := verbs[strings.Join(args[:words], " ")]; v != nil {
			return v, args[words:]
		}
	}
	return nil, nil
}
