package main

import (
	"strings"
	"testing"

	"gatehouse/central/store"
)

func TestGatewayVerbs(t *testing.T) {
	_, db := database(t)
	done(t, "migrate", "--database", db)
	for _, org := range []string{"acme", "globex"} {
		done(t, "org", "create", "--database", db, "--short-name", org, "--name", org)
	}
	token := done(t, "gateway", "claim", "--database", db, "--org", "acme", "--nas-identifier", "lobby-1", "--name", "By the door")
	again := done(t, "gateway", "claim", "--database", db, "--org", "acme", "--nas-identifier", "lobby-1")
	if token == "" || token == again || strings.Contains(token, "\n") {
		t.Errorf("claim tokens %q and %q", token, again)
	}
	s, err := store.Open(t.Context(), store.Config{URL: db})
	if err != nil {
		t.Fatal(err)
	}
	code, _, err := s.OfferGateway(t.Context(), "lobby-2", "1.0", "192.0.2.9")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := done(t, "gateway", "claim", "--database", db, "--org", "acme", "--code", strings.ToLower(code)); got != "lobby-2" {
		t.Errorf("claimed %q", got)
	}
	done(t, "gateway", "revoke", "--database", db, "--org", "acme", "--nas-identifier", "lobby-2")
	list := done(t, "gateway", "list", "--database", db)
	if lines := strings.Split(list, "\n"); len(lines) != 3 || !strings.Contains(lines[1], "lobby-2") || !strings.Contains(lines[1], "revoked") ||
		!strings.Contains(lines[2], "new") || !strings.Contains(lines[2], "By the door") {
		t.Error(list)
	}
	if list := done(t, "gateway", "list", "--database", db, "--org", "globex"); strings.Contains(list, "lobby") {
		t.Error(list)
	}
	for args, want := range map[string]int{
		"gateway claim --org acme":                             exitUsage,
		"gateway claim --org acme --code X --nas-identifier y": exitUsage,
		"gateway claim --org acme --code BCDF-GHJK":            exitFailed,
		"gateway claim --org hooli --nas-identifier lobby-1":   exitFailed,
		"gateway revoke --org globex --nas-identifier lobby-1": exitFailed,
		"gateway list --org hooli":                             exitFailed,
	} {
		if code, _, says := call(t, append(strings.Fields(args), "--database", db)...); code != want {
			t.Errorf("%s: exit %d, want %d: %s", args, code, want, says)
		}
	}
}
