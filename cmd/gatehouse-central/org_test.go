package main

import (
	"strings"
	"testing"
)

func TestOrganizationsAreListedAndChanged(t *testing.T) {
	db := "sqlite://" + t.TempDir() + "/c.db"
	do := func(want int, args ...string) string {
		t.Helper()
		var out, errOut strings.Builder
		if got := run(t.Context(), append(args, "--database", db), &out, &errOut); got != want {
			t.Fatalf("%v: exit code %d, want %d: %s", args, got, want, errOut.String())
		}
		return out.String() + errOut.String()
	}
	do(exitDone, "migrate")
	do(exitDone, "org", "create", "--short-name", "acme", "--name", "Acme")
	do(exitDone, "org", "create", "--short-name", "west", "--name", "West", "--parent", "acme")
	do(exitDone, "org", "update", "--short-name", "west", "--name", "Far West", "--active", "false", "--max-users", "9", "--timezone", "Europe/Vienna",
		"--country", "AT", "--subscription-ends", "2027-12-31", "--features", "a,b", "--website", "https://west.example", "--lease-grace", "60")
	do(exitDone, "org", "update", "--short-name", "west", "--country", "")
	want := "ID  SHORT NAME  PARENT  STATE  USERS   NAME\n1   acme        -       on     0       Acme\n2   west        acme    off    0 of 9  Far West\n"
	if got := do(exitDone, "org", "list"); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	for flag, value := range map[string]string{"active": "perhaps", "country": "at", "timezone": "Mars", "max-users": "-1", "website": "west", "name": "",
		"primary-color": "red", "lease-time": "never", "subscription-ends": "soon"} {
		if got := do(exitUsage, "org", "update", "--short-name", "west", "--"+flag, value); !strings.Contains(got, "--"+flag+" "+value+": must ") {
			t.Errorf("--%s %q: %s", flag, value, got)
		}
	}
	if got := do(exitFailed, "org", "update", "--short-name", "east", "--name", "East"); !strings.Contains(got, "there is no organisation east") {
		t.Error(got)
	}
}
