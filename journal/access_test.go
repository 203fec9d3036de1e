package journal

import (
	"path/filepath"
	"testing"
	"time"

	"gatehouse/sessions"
)

func TestAccess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := mustOpen(t, path, Options{})
	mac := sessions.MAC{2, 0, 0x5e, 0x10, 0, 1}
	everywhere := sessions.AccessRule{Kind: sessions.AccessBlocked, MAC: mac, By: sessions.ByOperator, Note: "a chair", MadeAt: stamp(1), For: time.Hour}
	here := sessions.AccessRule{Kind: sessions.AccessBlocked, Zone: "guest", MAC: mac, By: sessions.BySpoofing, MadeAt: stamp(2), For: time.Minute}
	anna := sessions.AccessRule{Kind: sessions.AccessPreauthorized, Zone: "guest", MAC: mac, Account: "anna", By: sessions.ByOperator, MadeAt: stamp(3)}
	must(t, j.Commit(t.Context(), sessions.Batch{Access: []sessions.AccessRule{anna, here, everywhere}}))
	everywhere.For, everywhere.Note = 2*time.Hour, "two chairs"
	must(t, j.Commit(t.Context(), sessions.Batch{Access: []sessions.AccessRule{everywhere}, Revoked: []sessions.AccessRule{here}}))
	must(t, j.Close())

	j = mustOpen(t, path, Options{})
	got, err := j.LoadAccess(t.Context())
	must(t, err)
	equal(t, "rules", []sessions.AccessRule{everywhere, anna}, got)
	must(t, j.Commit(t.Context(), sessions.Batch{Revoked: []sessions.AccessRule{everywhere, anna, anna}}))
	got, err = j.LoadAccess(t.Context())
	must(t, err)
	equal(t, "rules", []sessions.AccessRule(nil), got)
}
