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

	"gatehouse/api/edge"
)

// settled fails the test unless the outbox is empty and every session is at the centre once.
func (r *rig) settled(want int) {
	r.t.Helper()
	if n := r.outbox.depth(); n != 0 {
		r.t.Errorf("%d records are left in the outbox", n)
	}
	r.centre.mu.Lock()
	defer r.centre.mu.Unlock()
	if len(r.centre.rows) != want {
		r.t.Errorf("the centre has %d rows, want %d", len(r.centre.rows), want)
	}
	for row, n := range r.centre.rows {
		if n != 1 {
			r.t.Errorf("row %s was merged %d times", row, n)
		}
	}
}

func TestPushDrainsInBatches(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.fill(2500)
		r.run(r.Pusher.Run)
		synctest.Wait()
		r.settled(2500)
		var sizes []int
		for _, b := range r.centre.batches {
			sizes = append(sizes, len(b.seqs))
		}
		if !slices.Equal(sizes, []int{1000, 1000, 500}) {
			t.Errorf("batches of %v", sizes)
		}
		h := r.centre.headers
		if h.Get("Content-Encoding") != "gzip" || h.Get("User-Agent") != fmt.Sprintf("gatehouse/1.0 edge/%d", edge.Version) {
			t.Errorf("headers %v", h)
		}
		if len(r.net.dials) != 1 {
			t.Errorf("%d connections for 3 requests", len(r.net.dials))
		}

		r.fill(1)
		r.Pusher.Wake()
		r.Pusher.Wake()
		synctest.Wait()
		r.settled(2501)
	})
}

func TestPushWhileCentreIsAway(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.net.setDown(true)
		r.fill(3)
		r.run(r.Pusher.Run)
		r.pass(30 * time.Minute)
		dials := r.net.dials
		for i := 1; i < len(dials); i++ {
			step := min(time.Second<<min(i-1, 6), time.Minute)
			if gap := dials[i].Sub(dials[i-1]); gap < max(step/2, time.Second) || gap > step {
				t.Errorf("attempt %d came %v after the one before", i, gap)
			}
		}
		if late := dials[len(dials)-1].Sub(dials[len(dials)-2]); late < 30*time.Second || len(dials) > 70 {
			t.Errorf("%d attempts in 30 minutes, the last after %v", len(dials), late)
		}
		if n := r.logs.count("cannot be reached"); n != 1 {
			t.Errorf("logged %d times", n)
		}
		st, err := r.Status(t.Context())
		if err != nil || st.Reachable || r.InReach() || st.OutboxDepth != 3 || st.LastError == "" || !st.LastSuccess.IsZero() {
			t.Errorf("status %+v, %v", st, err)
		}
		r.net.setDown(false)
		r.pass(time.Minute)
		r.settled(3)
		st, err = r.Status(t.Context())
		if err != nil || !st.Reachable || !r.InReach() || st.OutboxDepth != 0 || time.Since(st.LastSuccess) > time.Minute || r.logs.count("is back") != 1 {
			t.Errorf("status %+v, %v", st, err)
		}
	})
}

func TestWakeWhileBackingOff(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.net.setDown(true)
		r.fill(1)
		r.run(r.Pusher.Run)
		r.pass(10 * time.Minute)
		last := func() time.Time { r.net.mu.Lock(); defer r.net.mu.Unlock(); return r.net.dials[len(r.net.dials)-1] }
		for began := last(); last().Equal(began); { // until just after a failure, in a long backoff
			r.pass(10 * time.Millisecond)
		}
		failed := last()
		r.Pusher.Wake()
		r.pass(900 * time.Millisecond)
		if !last().Equal(failed) {
			t.Error("asked again within a second of a failure")
		}
		r.pass(100 * time.Millisecond)
		synctest.Wait()
		if got := last().Sub(failed); got != time.Second {
			t.Errorf("asked again after %v, want 1s", got)
		}
		r.pass(3 * time.Second)
		r.Pusher.Wake()
		synctest.Wait()
		if got := time.Since(last()); got != 0 {
			t.Errorf("not woken: the last attempt is %v old", got)
		}
	})
}

func TestAnswerLostAfterTheWork(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.fill(50)
		r.centre.cut = 2
		r.run(r.Pusher.Run)
		r.pass(10 * time.Second)
		r.settled(50)
		b := r.centre.batches
		if len(b) != 3 || !slices.Equal(b[0].seqs, b[1].seqs) || !slices.Equal(b[0].seqs, b[2].seqs) {
			t.Errorf("%d batches, want the same one three times", len(b))
		}
	})
}

func TestGatewayStoppedInThePush(t *testing.T) {
	for _, when := range []string{"before the work", "after the work"} {
		t.Run(when, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				reached, hang := make(chan struct{}), true
				r.centre.script = func(w http.ResponseWriter, req *http.Request, recs []edge.Record) bool {
					if !hang {
						return false
					}
					hang = false
					if when == "after the work" {
						r.centre.ingest(discard{}, recs)
					}
					close(reached)
					<-req.Context().Done()
					return true
				}
				r.fill(50)
				stop := r.run(r.Pusher.Run)
				<-reached
				stop()
				if n := r.outbox.depth(); n != 50 {
					t.Fatalf("%d records left before anybody confirmed them", n)
				}
				r.restart()
				r.run(r.Pusher.Run)
				synctest.Wait()
				r.settled(50)
			})
		})
	}
}

type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}

func TestOutboxFailsToSettle(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.fill(5)
		r.centre.script = func(http.ResponseWriter, *http.Request, []edge.Record) bool {
			r.outbox.mu.Lock()
			defer r.outbox.mu.Unlock()
			r.outbox.broken = errors.New("disk full")
			return false
		}
		r.run(r.Pusher.Run)
		synctest.Wait()
		if r.logs.count("settling records: disk full") != 1 {
			t.Error("not logged")
		}
		r.centre.set(func() { r.centre.script = nil })
		r.outbox.mu.Lock()
		r.outbox.broken = nil
		r.outbox.mu.Unlock()
		r.pass(5 * time.Second)
		r.settled(5)
	})
}

func TestRecordRejected(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.fill(5)
		r.centre.script = func(w http.ResponseWriter, _ *http.Request, recs []edge.Record) bool {
			var a edge.IngestAnswer
			for _, rec := range recs {
				res := edge.Result{Seq: rec.Seq, Status: edge.Merged}
				switch rec.Seq {
				case 2:
					res = edge.Result{Seq: 2, Status: edge.Rejected, Code: "too_old", Message: "before 2020"}
				case 4:
					res.Status = "put_off" // a word of a later version
				}
				a.Results = append(a.Results, res)
			}
			a.Results = append(a.Results, edge.Result{Seq: 99, Status: edge.Rejected, Code: "invalid"}) // was never sent
			answer(w, a)
			return true
		}
		r.run(r.Pusher.Run)
		synctest.Wait()
		if len(r.outbox.rejected) != 1 || r.outbox.rejected[2] != "too_old: before 2020" {
			t.Errorf("rejected: %v", r.outbox.rejected)
		}
		if left, _ := r.outbox.Pending(t.Context(), 9); len(left) != 1 || left[0].Seq != 4 {
			t.Errorf("left: %v", left)
		}
		r.centre.set(func() { r.centre.script = nil })
		r.pass(5 * time.Second)
		r.settled(1)
	})
}

// spoilt makes the centre refuse whole requests that contain one of these records.
func spoilt(status int, code string, bad ...int64) func(http.ResponseWriter, *http.Request, []edge.Record) bool {
	return func(w http.ResponseWriter, _ *http.Request, recs []edge.Record) bool {
		for _, rec := range recs {
			if slices.Contains(bad, rec.Seq) {
				fail(w, status, code)
				return true
			}
		}
		return false
	}
}

func TestPoisonIsFoundByHalving(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.fill(1000)
				r.centre.script = spoilt(status, "invalid", 1, 613)
				r.run(r.Pusher.Run)
				synctest.Wait()
				r.settled(998)
				if len(r.outbox.rejected) != 2 || r.outbox.rejected[613] != "invalid: because of invalid" {
					t.Errorf("rejected %v", r.outbox.rejected)
				}
				if n := len(r.centre.batches); n > 45 {
					t.Errorf("%d requests", n)
				}
			})
		})
	}
}

func TestNothingIsRejectedWhileAllIsRefused(t *testing.T) {
	for _, code := range []string{"invalid", ""} {
		t.Run("code "+code, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.fill(20)
				r.centre.script = func(w http.ResponseWriter, _ *http.Request, _ []edge.Record) bool {
					fail(w, http.StatusBadRequest, code)
					return true
				}
				r.run(r.Pusher.Run)
				r.pass(10 * time.Minute)
				if len(r.outbox.rejected) != 0 || r.outbox.depth() != 20 {
					t.Fatalf("rejected %v", r.outbox.rejected)
				}
				r.centre.set(func() { r.centre.script = nil })
				r.pass(time.Minute)
				r.settled(20)
			})
		})
	}
}

// A proxy that finds one record too large is no reason to give the record up, nor to hold back the others.
func TestProxyRefusesOneRecord(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.fill(10)
		r.centre.script = func(w http.ResponseWriter, _ *http.Request, recs []edge.Record) bool {
			if !slices.ContainsFunc(recs, func(rec edge.Record) bool { return rec.Seq == 6 }) {
				return false
			}
			http.Error(w, "<html>413</html>", http.StatusRequestEntityTooLarge)
			return true
		}
		r.run(r.Pusher.Run)
		r.pass(10 * time.Minute)
		if len(r.outbox.rejected) != 0 || r.outbox.depth() != 1 {
			t.Errorf("rejected %v, %d left", r.outbox.rejected, r.outbox.depth())
		}
		r.centre.set(func() { r.centre.script = nil })
		r.pass(time.Minute)
		r.settled(10)
	})
}

func TestTooLargeIsRemembered(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.fill(3000)
		most, refused := 0, 0
		r.centre.script = func(w http.ResponseWriter, _ *http.Request, recs []edge.Record) bool {
			if len(recs) > 300 { // a proxy, which does not speak our words
				refused++
				http.Error(w, "<html>413</html>", http.StatusRequestEntityTooLarge)
				return true
			}
			most = max(most, len(recs))
			return false
		}
		r.run(r.Pusher.Run)
		synctest.Wait()
		r.settled(3000)
		if n := len(r.centre.batches); n > 25 || refused > 7 || most < 200 {
			t.Errorf("%d requests for 3000 records, of at most %d, %d refused", n, most, refused)
		}
	})
}

func TestTokenRefused(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.fill(2)
		r.centre.token = "another"
		r.run(r.Pusher.Run)
		r.run(r.Puller.Run)
		for range 100 {
			r.pass(6 * time.Second)
			r.Pusher.Wake()
		}
		r.centre.mu.Lock()
		asked := len(r.centre.batches)
		r.centre.mu.Unlock()
		if asked > 21 {
			t.Errorf("asked %d times in 10 minutes", asked)
		}
		if n := r.logs.count("the centre refuses this gateway's token"); n != 1 || r.logs.count(testToken) != 0 {
			t.Errorf("logged %d times:\n%s", n, r.logs.buf.String())
		}
		st, err := r.Status(t.Context())
		if err != nil || !st.Refused || !st.Reachable || r.InReach() || st.OutboxDepth != 2 {
			t.Errorf("status %+v, %v", st, err)
		}
		r.centre.set(func() { r.centre.token = testToken })
		r.pass(2 * time.Minute)
		r.settled(2)
	})
}

func TestRetryAfterIsKept(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.fill(1)
		r.centre.script = func(w http.ResponseWriter, _ *http.Request, _ []edge.Record) bool {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"code":"unavailable","detail":"moving house","retry_after":40}`))
			return true
		}
		r.run(r.Pusher.Run)
		r.pass(35 * time.Second)
		r.Pusher.Wake()
		synctest.Wait()
		if n := len(r.centre.batches); n != 1 {
			t.Errorf("asked %d times within 40 seconds", n)
		}
	})
}

// Another captive portal on the uplink answers 200 to everything, or redirects to its own login.
func TestSomebodyElseAnswers(t *testing.T) {
	for name, script := range map[string]func(http.ResponseWriter, *http.Request, []edge.Record) bool{
		"page": func(w http.ResponseWriter, _ *http.Request, _ []edge.Record) bool {
			_, _ = w.Write([]byte("<html>Welcome to the hotel"))
			return true
		},
		"redirect": func(w http.ResponseWriter, req *http.Request, _ []edge.Record) bool {
			http.Redirect(w, req, "http://portal.example/", http.StatusFound)
			return true
		},
		"nothing of ours": func(w http.ResponseWriter, _ *http.Request, _ []edge.Record) bool { answer(w, "ok"); return true },
		"empty results": func(w http.ResponseWriter, _ *http.Request, _ []edge.Record) bool {
			answer(w, edge.IngestAnswer{})
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.fill(2)
				r.centre.script = script
				r.run(r.Pusher.Run)
				r.pass(10 * time.Minute)
				if r.outbox.depth() != 2 || len(r.centre.batches) > 30 {
					t.Errorf("%d left after %d attempts", r.outbox.depth(), len(r.centre.batches))
				}
				if len(r.centre.calls) != len(r.centre.batches) {
					t.Errorf("followed somebody elsewhere: %v", r.centre.calls)
				}
				r.centre.set(func() { r.centre.script = nil })
				r.pass(2 * time.Minute)
				r.settled(2)
			})
		})
	}
}

func TestPusherStopsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.net.setDown(true)
		r.fill(1)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		began := time.Now()
		if err := r.Pusher.Run(ctx); err != nil || time.Since(began) != 5*time.Minute {
			t.Errorf("ended with %v after %v", err, time.Since(began))
		}
	})
}
