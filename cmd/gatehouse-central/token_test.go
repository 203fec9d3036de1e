package main

import (
	"strings"
	"testing"
)

func TestTokenAndAuditVerbs(t *testing.T) {
	_, db := database(t)
	done(t, "migrate", "--database", db)
	done(t, "org", "create", "--database", db, "--short-name", "acme", "--name", "Acme")
	one := done(t, "token", "create", "--database", db, "--org", "acme", "--role", "staff", "--name", "till", "--expires", "720h",
		"--networks", "192.0.2.0/24,2001:db8::1")
	two := done(t, "token", "rotate", "--database", db, "--id", "1", "--overlap", "1h")
	if !strings.HasPrefix(two, "gh_") || one == two || strings.Contains(two, "\n") {
		t.Errorf("tokens %q and %q", one, two)
	}
	list := done(t, "token", "list", "--database", db, "--org", "acme")
	for _, want := range []string{"staff", "good", "till", "192.0.2.0/24,2001:db8::1/128"} {
		if !strings.Contains(list, want) {
			t.Errorf("no %q in\n%s", want, list)
		}
	}
	done(t, "token", "revoke", "--database", db, "--id", "1")
	if list := done(t, "token", "list", "--database", db); !strings.Contains(list, "revoked") {
		t.Error(list)
	}
	log := done(t, "audit", "list", "--database", db, "--org", "acme")
	if n := strings.Count(log, "\n") + 1; n != 4 || !strings.Contains(log, `"actor":"command `) || strings.Contains(log, one) || strings.Contains(log, two) {
		t.Errorf("%d entries:\n%s", n, log)
	}
	if got := done(t, "audit", "verify", "--database", db); !strings.HasSuffix(got, ", whole") || !strings.Contains(got, "4 entries") {
		t.Error(got)
	}
	for args, want := range map[string]int{
		"token revoke --id 1":                                         exitFailed,
		"token rotate --id 9":                                         exitFailed,
		"token list --org globex":                                     exitFailed,
		"audit verify --org globex":                                   exitFailed,
		"user role --org acme --username ann --role admin":            exitFailed,
		"user role --org acme --username ann --role edge":             exitUsage,
		"token create --org acme --role admin --networks 192.0.2.0/x": exitUsage,
		"token create --org acme --role admin --expires 2020-01-01":   exitUsage,
		"token create --org acme --role admin --expires soon":         exitUsage,
		"serve --listen 127.0.0.1:0 --trusted-proxies everywhere":     exitUsage,
	} {
		if code, _, says := call(t, append(strings.Fields(args), "--database", db)...); code != want {
			t.Errorf("%s: exit %d, want %d: %s", args, code, want, says)
		}
	}
}
