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
                                 [--drain TIME] [--trusted-proxies CIDR,CIDR] [--read-database URL] [--spool FILE]
                                 [--secrets-key FILE] [--integer-ids] [--legacy-user-token] [--verbose]
                                 [--radius ADDR] [--radsec ADDR --radsec-cert FILE --radsec-key FILE --radsec-ca FILE]
                                 [--webhook-networks CIDR,CIDR]
  gatehouse-central org create   --database URL --short-name NAME --name TEXT [--parent NAME]
  gatehouse-central org list     --database URL
  gatehouse-central org update   --database URL --short-name NAME [--name TEXT] [--active true|false] [--max-users N] ...
                                 (all settings: docs/centre.md)
  gatehouse-central token create --database URL --org NAME --role admin|staff|readonly|edge|portal [--name TEXT]
                                 [--description TEXT] [--expires TIME|DATE] [--networks CIDR,CIDR]
  gatehouse-central token list   --database URL [--org NAME]
  gatehouse-central token revoke --database URL --id N
  gatehouse-central token rotate --database URL --id N [--overlap TIME]
  gatehouse-central user role    --database URL --org NAME --username NAME --role admin|staff|readonly|user
  gatehouse-central radius-client add    --database URL --org NAME --name TEXT [--network CIDR [--secret-file FILE]]
                                 [--secrets-key FILE] [--certificate NAME] [--nas-identifier TEXT] [--quirks swap_octets,own_clock,session_id_only]
  gatehouse-central radius-client list   --database URL [--org NAME]
  gatehouse-central radius-client remove --database URL --org NAME --id N
  gatehouse-central audit verify --database URL [--org NAME]
  gatehouse-central audit list   --database URL [--org NAME] [--user ID] [--object KIND] [--object-id ID] [--limit N]
  gatehouse-central plan create  --database URL --org NAME --name TEXT [--time TIME [--elapsed]] [--data AMOUNT] [--rate-up RATE]
                                 [--rate-down RATE] [--devices N] [--idle TIME] [--valid TIME] [--until DATE] [--price TEXT]
                                 [--zones NAME,NAME] [--extendable]
  gatehouse-central plan list    --database URL --org NAME
  gatehouse-central voucher create --database URL --org NAME --plan NAME [--quantity N] [--note TEXT] [--secrets-key FILE]
  gatehouse-central voucher list   --database URL --org NAME [--state STATE] [--batch N]
  gatehouse-central voucher revoke --database URL --org NAME --code CODE | --batch N
  gatehouse-central voucher export --database URL --org NAME --batch N [--format csv|pdf] [--link URL] [--to FILE] [--secrets-key FILE]
  gatehouse-central import users --database URL --org NAME [--continue] [--existing error|skip|update] [--dry-run]
                                 [--map COLUMN=FIELD]... [--report FILE] FILE
  gatehouse-central import vouchers --database URL --org NAME --plan NAME [--note TEXT] [--secrets-key FILE] [as import users] FILE
  gatehouse-central export users|accounting|transactions --database URL --org NAME [--from DAY] [--until DAY]
                                 [--format csv|ndjson] [--to FILE]
  gatehouse-central person export|erase --database URL --org NAME --user NAME|NUMBER
  gatehouse-central backup       --database URL --to FILE
  gatehouse-central restore      --database URL --from FILE
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
		"migrate":             migrate,
		"serve":               serve,
		"org create":          createOrganization,
		"org list":            listOrganizations,
		"org update":          updateOrganization,
		"token create":        createToken,
		"token list":          listTokens,
		"token revoke":        revokeToken,
		"token rotate":        rotateToken,
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
