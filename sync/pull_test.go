package gwsync

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/api/edge"
	"gatehouse/sessions"
)

func edgeAccount(id int64, name string, profiles ...int64) *edge.Account {
	return &edge.Account{UserID: id, Username: name, Active: true, CredentialVersion: 1, ProfileIDs: profiles}
}

func hourProfile(value string) *edge.Profile {
	return &edge.Profile{ID: 5, ShortName: "hour", ReplyAttribute: []edge.Attribute{
		{Attribute: "Session-Timeout", Op: ":=", Value: value}, {Attribute: "Idle-Timeout", Op: ":=", Value: "soon"}}}
}

func want[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got)\n%s", what, diff)
	}
}

func TestChangesTakeEffectAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.run(r.Puller.Run)
		r.pass(7 * time.Second) // into the wait of a poll
		exp := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
		bob := edgeAccount(7, "bob", 5)
		bob.Expiration, bob.Class = &exp, "gold"
		bob.Elsewhere = []edge.Elsewhere{{Period: 1, Start: "2000-12-25", Seconds: 60}, {Period: 9, Start: "a later centre's", Seconds: 1}}
		elsewhere := sessions.Marks{sessions.Week: {Start: "2000-12-25", Used: time.Minute}}
		r.centre.publish("", edge.ChangesAnswer{Cursor: "c1", Changes: []edge.Change{
			{Account: bob}, {Account: edgeAccount(8, "eve")}, {Profile: hourProfile("3600")}}})
		synctest.Wait() // no time passes
		want(t, "changed", r.takeChanged(), []string{"bob", "eve"})
		want(t, "order", r.mirror.takeSteps(), []string{"account bob", "account eve", "profile 5", "sweep", "cursor c1"})
		got, err := r.mirror.Account(t.Context(), "bob")
		if err != nil {
			t.Fatal(err)
		}
		want(t, "account", got, sessions.Account{Source: sessions.SourceCentre, UserID: 7, Username: "bob", CredentialVersion: 1, Active: true,
			Expiration: exp, Class: "gold", Elsewhere: elsewhere, Profiles: []sessions.Profile{{ShortName: "hour", Check: []sessions.Attribute{}, Reply: []sessions.Attribute{
				{Name: "Session-Timeout", Op: ":=", Value: "3600"}, {Name: "Idle-Timeout", Op: ":=", Value: "soon"}}}}})

		r.pass(50 * time.Second)
		r.centre.publish("c1", edge.ChangesAnswer{Cursor: "c2", Changes: []edge.Change{{Profile: hourProfile("60")}}})
		synctest.Wait()
		want(t, "changed by the profile", r.takeChanged(), []string{"bob"})
		if n := r.logs.count("an attribute of a profile is ignored"); n != 1 || r.logs.count("profile=hour") != 1 {
			t.Errorf("the malformed attribute was logged %d times", n)
		}

		r.centre.publish("c2", edge.ChangesAnswer{Cursor: "c3", Changes: []edge.Change{{Account: edgeAccount(9, "zoe", 5)}}})
		synctest.Wait()
		r.takeChanged()
		r.centre.publish("c3", edge.ChangesAnswer{Cursor: "c4", Changes: []edge.Change{{DeletedUserID: 7}, {DeletedUserID: 99}, {DeletedProfile: 5}, {}}})
		synctest.Wait()
		want(t, "changed by the deletions", r.takeChanged(), []string{"bob", "zoe"})
		if _, err := r.mirror.Account(t.Context(), "bob"); !errors.Is(err, sessions.ErrNoAccount) {
			t.Errorf("bob is still there: %v", err)
		}
		st, err := r.Status(t.Context())
		if err != nil || st.Cursor != "c4" || time.Since(st.FeedCurrentAt) > time.Second {
			t.Errorf("status %+v, %v", st, err)
		}
	})
}

func TestPollsAreHeldOpen(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.run(r.Puller.Run)
		r.pass(10 * time.Minute)
		if n := len(r.centre.polls); n < 12 || n > 13 || r.centre.polls[3] != 50*time.Second {
			t.Errorf("%d polls in 10 minutes: %v", n, r.centre.polls)
		}
		if n := len(r.net.dials); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}

func TestCentreThatDoesNotHold(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.centre.noHold = true
		r.run(r.Puller.Run)
		r.pass(time.Minute)
		if n := len(r.centre.polls); n > 61 {
			t.Errorf("%d polls in a minute", n)
		}
	})
}

func TestFeedThatDoesNotMove(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.centre.pages[""] = edge.ChangesAnswer{Cursor: "", More: true}
		r.run(r.Puller.Run)
		r.pass(10 * time.Minute)
		if n := len(r.centre.polls); n > 30 {
			t.Errorf("%d polls", n)
		}
		if r.logs.count("does not move on") == 0 {
			t.Error("not logged")
		}
	})
}

func TestResetKeepsWhatIsToldAgain(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart in the middle %v", restart), func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				for i, name := range []string{"bob", "eve", "old"} {
					if err := r.mirror.PutAccount(t.Context(), account(edgeAccount(int64(i+1), name), time.Time{}), nil); err != nil {
						t.Fatal(err)
					}
				}
				r.mirror.cursor = "ancient"
				r.centre.pages["ancient"] = edge.ChangesAnswer{Cursor: "p1", Reset: true, More: true, Changes: []edge.Change{{Account: edgeAccount(1, "bob")}}}
				page2 := edge.ChangesAnswer{Cursor: "p2", Changes: []edge.Change{{Account: edgeAccount(2, "eve")}}}
				if !restart {
					r.centre.pages["p1"] = page2
				} else {
					r.centre.script = func(w http.ResponseWriter, req *http.Request, _ []edge.Record) bool {
						if req.URL.Query().Get("cursor") == "p1" {
							fail(w, http.StatusServiceUnavailable, "unavailable")
							return true
						}
						return false
					}
				}
				stop := r.run(r.Puller.Run)
				synctest.Wait()
				if restart {
					stop()
					if _, err := r.mirror.Account(t.Context(), "old"); err != nil {
						t.Error("swept before the feed was read to its end")
					}
					r.restart()
					r.centre.set(func() { r.centre.script = nil; r.centre.pages["p1"] = page2 })
					r.run(r.Puller.Run)
					synctest.Wait()
				}
				want(t, "changed", r.takeChanged(), []string{"bob", "eve", "old"})
				_, errOld := r.mirror.Account(t.Context(), "old")
				_, errBob := r.mirror.Account(t.Context(), "bob")
				if !errors.Is(errOld, sessions.ErrNoAccount) || errBob != nil || r.mirror.cursor != "p2" {
					t.Errorf("old: %v, bob: %v, cursor %s", errOld, errBob, r.mirror.cursor)
				}
				// Without a reset nothing is swept.
				r.mirror.takeSteps()
				r.centre.publish("p2", edge.ChangesAnswer{Cursor: "p3", Changes: []edge.Change{{Account: edgeAccount(2, "eve")}}})
				synctest.Wait()
				want(t, "steps", r.mirror.takeSteps(), []string{"account eve", "cursor p3"})
			})
		})
	}
}

func TestChangedIsCalledUntilItSucceeds(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.refuse = errors.New("journal is full")
		r.mirror.accounts[7] = memAccount{Account: sessions.Account{UserID: 7, Username: "bob"}}
		r.centre.pages[""] = edge.ChangesAnswer{Cursor: "c1", Changes: []edge.Change{{DeletedUserID: 7}}}
		r.run(r.Puller.Run)
		r.pass(5 * time.Second)
		if got := r.takeChanged(); len(got) < 2 || r.logs.count("journal is full") == 0 {
			t.Errorf("told %v", got)
		}
		r.mu.Lock()
		r.refuse = nil
		r.mu.Unlock()
		r.pass(20 * time.Second)
		want(t, "told", r.takeChanged(), []string{"bob"})
		r.pass(5 * time.Minute)
		want(t, "told again", r.takeChanged(), nil)
	})
}

func TestPageThatTheMirrorRefusesComesAgain(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.mirror.broken = errors.New("disk full")
		r.centre.pages[""] = edge.ChangesAnswer{Cursor: "c1", Changes: []edge.Change{{Account: edgeAccount(7, "bob")}}}
		r.run(r.Puller.Run)
		r.pass(5 * time.Second)
		if r.mirror.cursor != "" {
			t.Fatal("the cursor moved past a page that was not kept")
		}
		r.mirror.mu.Lock()
		r.mirror.broken = nil
		r.mirror.mu.Unlock()
		r.pass(20 * time.Second)
		if r.mirror.cursor != "c1" {
			t.Error("the page did not come again")
		}
	})
}

func TestFeedAfterAnOutage(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.net.setDown(true)
		r.run(r.Puller.Run)
		r.pass(10 * time.Minute)
		r.net.setDown(false)
		r.centre.publish("", edge.ChangesAnswer{Cursor: "c1", Changes: []edge.Change{{Account: edgeAccount(7, "bob")}}})
		r.pass(time.Minute)
		want(t, "changed", r.takeChanged(), []string{"bob"})
	})
}

func TestRefreshCutsTheWaitShort(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		stop := r.run(r.Puller.Run)
		r.pass(7 * time.Second)
		if err := r.Puller.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !slices.Equal(r.centre.polls, []time.Duration{50 * time.Second, 0, 50 * time.Second}) {
			t.Errorf("polls %v", r.centre.polls)
		}
		if r.logs.count("level=") != 0 {
			t.Errorf("logged: %s", r.logs.buf.String())
		}
		stop()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.Puller.Refresh(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Refresh of a stopped Puller: %v", err)
		}
	})
}

// TestProviders: what guests may sign in with is asked for at once after a restart, without waiting for a change.
func TestProviders(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.centre.publish("", edge.ChangesAnswer{Cursor: "c1", Providers: []edge.Provider{{Name: "work", Title: "Work"}}})
		if got := r.Puller.Providers(); len(got) != 0 {
			t.Errorf("before anything was said: %v", got)
		}
		stop := r.run(r.Puller.Run)
		r.pass(time.Second)
		want(t, "providers", r.Puller.Providers(), []sessions.Provider{{Name: "work", Title: "Work"}})
		stop()
		r.restart()
		r.run(r.Puller.Run)
		r.pass(time.Second)
		if last := r.centre.polls[len(r.centre.polls)-2]; last != 0 {
			t.Errorf("after a restart the first question was held open for %v: %v", last, r.centre.polls)
		}
	})
}
