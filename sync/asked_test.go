package gwsync

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"

	"gatehouse/api/edge"
	"gatehouse/sessions"
)

// TestAnswerOlderThanTheFeed: an answer that was on its way while the feed told of its user undoes nothing; the next one is kept.
func TestAnswerOlderThanTheFeed(t *testing.T) {
	off := edgeAccount(7, "bob")
	off.Active = false
	for name, change := range map[string]edge.Change{"deleted": {DeletedUserID: 7}, "switched off": {Account: off}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.run(r.Puller.Run)
				hold := make(chan struct{})
				r.centre.set(func() {
					r.centre.script = func(w http.ResponseWriter, req *http.Request, _ []edge.Record) bool {
						if req.URL.Path != "/sub"+edge.AuthenticatePath {
							return false
						}
						<-hold
						w.Header().Set("Content-Type", "application/json")
						_ = json.NewEncoder(w).Encode(edge.AuthenticateAnswer{Authenticated: true, Account: edgeAccount(7, "bob")})
						return true
					}
				})
				type result struct {
					sessions.Account
					err error
				}
				done := make(chan result, 1)
				login := func() { a, err := r.login(secret); done <- result{a, err} }
				go login()
				synctest.Wait()
				r.centre.publish("", edge.ChangesAnswer{Cursor: "c1", Changes: []edge.Change{change, {Account: edgeAccount(8, "eve")}}})
				synctest.Wait()
				close(hold)
				switch got := <-done; {
				case change.DeletedUserID != 0 && !errors.Is(got.err, sessions.ErrWrongPassword), change.Account != nil && (got.err != nil || got.Active):
					t.Errorf("active %v, %v", got.Active, got.err)
				}
				if a, err := r.mirror.Account(t.Context(), "bob"); err == nil && a.Active {
					t.Error("bob is back")
				}
				go login()
				if got := <-done; got.err != nil || !got.Active {
					t.Errorf("what the centre says now: active %v, %v", got.Active, got.err)
				}
				if len(r.Authority.asked.told) != 0 {
					t.Errorf("nothing is asked, and remembered is %v", r.Authority.asked.told)
				}
			})
		})
	}
}
