package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestVoucherVerbs(t *testing.T) {
	_, db := database(t)
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), 0o600); err != nil {
		t.Fatal(err)
	}
	done(t, "migrate", "--database", db)
	done(t, "org", "create", "--database", db, "--short-name", "acme", "--name", "Acme")
	verb := func(words string, more ...string) []string {
		return append(append(strings.Fields(words), "--database", db, "--org", "acme"), more...)
	}
	if id := done(t, verb("plan create --name Day --time 24h --elapsed --data 2GB --rate-down 10Mbit --devices 2 --extendable")...); id != "1" {
		t.Errorf("plan %q", id)
	}
	if out := done(t, verb("plan list")...); !strings.Contains(out, "24h0m0s  2000000000") {
		t.Error(out)
	}
	codes := strings.Split(done(t, verb("voucher create --plan Day --quantity 3", "--secrets-key", key)...), "\n")
	if len(codes) != 3 || len(codes[0]) != 14 {
		t.Fatalf("codes %q", codes)
	}
	done(t, verb("voucher revoke", "--code", strings.ToLower(codes[1]))...)
	if out := done(t, verb("voucher list --state unused")...); strings.Count(out, "unused") != 2 {
		t.Error(out)
	}
	out := done(t, verb("voucher export --batch 1", "--secrets-key", key)...)
	if !strings.Contains(out, "1,"+codes[0]+",Day,unused") || !strings.Contains(out, "2,"+codes[1]+",Day,revoked") {
		t.Error(out)
	}
	sheet := filepath.Join(t.TempDir(), "sheet.pdf")
	done(t, verb("voucher export --batch 1 --format pdf", "--secrets-key", key, "--to", sheet)...)
	if b, err := os.ReadFile(sheet); err != nil || !strings.HasPrefix(string(b), "%PDF") {
		t.Error(err)
	}
	if n := done(t, verb("voucher revoke --batch 1")...); n != "2" {
		t.Errorf("%s revoked, want 2", n)
	}
	for want, args := range map[string][]string{
		"no plan Week":       verb("voucher create --plan Week"),
		"not a voucher code": verb("voucher revoke --code 1234"),
		"no batch 9":         verb("voucher revoke --batch 9"),
		"key for secrets":    verb("voucher export --batch 1"),
		"a plan Day already": verb("plan create --name Day"),
		"no organisation x":  {"voucher", "list", "--database", db, "--org", "x"},
	} {
		if code, _, errOut := call(t, args...); code != exitFailed || !strings.Contains(errOut, want) {
			t.Errorf("%v: exit %d: %s", args, code, errOut)
		}
	}
	for want, args := range map[string][]string{
		"--elapsed wants": verb("plan create --name X --elapsed"),
		"--data":          verb("plan create --name X --data much"),
		"--code or":       verb("voucher revoke"),
		"--quantity":      verb("voucher create --plan Day --quantity 10001"),
	} {
		if code, _, errOut := call(t, args...); code != exitUsage || !strings.Contains(errOut, want) {
			t.Errorf("%v: exit %d: %s", args, code, errOut)
		}
	}
}
