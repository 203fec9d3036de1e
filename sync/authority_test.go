package gwsync

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/api/edge"
	"gatehouse/sessions"
)

const secret = "pa55-of-bob"

func (r *rig) login(password string) (sessions.Account, error) {
	return r.Authority.Authenticate(r.t.Context(), sessions.Credentials{Username: "bob", Password: sessions.Password(password)},
		sessions.Station{Zone: "guest", MAC: sessions.MAC{2, 0, 0x5e, 0x10, 0, 0xfe}})
}

func (r *rig) knowBob(profiles ...int64) {
	r.centre.set(func() {
		r.centre.users["bob/"+secret] = edge.AuthenticateAnswer{Authenticated: true, Account: edgeAccount(7, "bob", profiles...)}
	})
}

func TestLoginAtTheCentre(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.knowBob()
		got, err := r.login(secret)
		if err != nil {
			t.Fatal(err)
		}
		want(t, "account", got, sessions.Account{Source: sessions.SourceCentre, UserID: 7, Username: "bob", CredentialVersion: 1, Active: true})
		want(t, "mirror", r.mirror.takeSteps(), []string{"account bob"})
		want(t, "request", r.centre.lastReq, edge.AuthenticateRequest{Username: "bob", Password: secret,
			CallingStationID: "02-00-5E-10-00-FE", Zone: "guest"})

		if _, err := r.login("wrong"); !errors.Is(err, sessions.ErrWrongPassword) {
			t.Errorf("wrong password: %v", err)
		}
		r.mirror.broken = errors.New("disk full")
		if _, err := r.login(secret); err == nil || errors.Is(err, sessions.ErrUnreachable) || errors.Is(err, sessions.ErrWrongPassword) {
			t.Errorf("mirror broken: %v", err)
		}
	})
}

func TestCentreThatDoesNotDecide(t *testing.T) {
	for name, script := range map[string]func(http.ResponseWriter, *http.Request, []edge.Record) bool{
		"500": func(w http.ResponseWriter, _ *http.Request, _ []edge.Record) bool {
			fail(w, 500, "internal")
			return true
		},
		"401": func(w http.ResponseWriter, _ *http.Request, _ []edge.Record) bool {
			fail(w, 401, "unauthorized")
			return true
		},
		"something in between": func(w http.ResponseWriter, _ *http.Request, _ []edge.Record) bool {
			_, _ = w.Write([]byte("{}"))
			return true
		},
		"hotel": func(w http.ResponseWriter, _ *http.Request, _ []edge.Record) bool {
			_, _ = w.Write([]byte("<html>Welcome"))
			return true
		},
		"yes, but not who": func(w http.ResponseWriter, _ *http.Request, _ []edge.Record) bool {
			answer(w, edge.AuthenticateAnswer{Authenticated: true})
			return true
		},
		"silent": silence,
		"endless": func(w http.ResponseWriter, _ *http.Request, _ []edge.Record) bool {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(strings.Repeat(" ", 2*1<<20) + `{"authenticated":false}`))
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.knowBob()
				r.centre.script = script
				began := time.Now()
				_, err := r.login(secret)
				if !errors.Is(err, sessions.ErrUnreachable) || strings.Contains(err.Error(), secret) {
					t.Errorf("got %v", err)
				}
				if took := time.Since(began); took > 4*time.Second {
					t.Errorf("took %v", took)
				}
				if r.logs.count(secret) != 0 {
					t.Error("the password is in the log")
				}
				r.centre.set(func() { r.centre.script = nil })
				r.pass(breakFor)
				if _, err := r.login(secret); err != nil {
					t.Errorf("afterwards: %v", err)
				}
			})
		})
	}
}

func TestRequestOfOurs(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.centre.script = func(w http.ResponseWriter, _ *http.Request, _ []edge.Record) bool {
			fail(w, http.StatusBadRequest, "invalid")
			return true
		}
		var a *edge.AnswerError
		if _, err := r.login(secret); !errors.As(err, &a) || errors.Is(err, sessions.ErrUnreachable) {
			t.Errorf("got %v", err)
		}
	})
}

func TestTooManyGuesses(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.centre.script = func(w http.ResponseWriter, _ *http.Request, _ []edge.Record) bool {
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = w.Write([]byte(`{"code":"too_many_attempts","detail":"slowly","retry_after":40}`))
			return true
		}
		var refusal *sessions.Refusal
		_, err := r.login("guess")
		if !errors.As(err, &refusal) || *refusal != (sessions.Refusal{Reason: sessions.RefusedTooOften, RetryAfter: 40 * time.Second}) {
			t.Errorf("got %v", err)
		}
		if r.logs.count("level=") != 0 {
			t.Errorf("logged: %s", r.logs.buf.String())
		}
	})
}

func TestBreaker(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.knowBob()
		r.net.setDown(true)
		unreachable := func() {
			t.Helper()
			if _, err := r.login(secret); !errors.Is(err, sessions.ErrUnreachable) {
				t.Errorf("got %v", err)
			}
		}
		unreachable()
		r.pass(time.Second)
		unreachable()
		if n := len(r.net.dials); n != 1 {
			t.Errorf("dialled %d times within 2 seconds", n)
		}
		r.pass(time.Second)
		unreachable()
		if n := len(r.net.dials); n != 2 {
			t.Errorf("dialled %d times, want again after 2 seconds", n)
		}
		r.net.setDown(false)
		unreachable() // still told at once
		r.fill(1)
		r.push() // the centre is reached by another way
		if _, err := r.login(secret); err != nil {
			t.Errorf("the centre is back: %v", err)
		}
	})
}

// A centre that restarts, or a balancer, closes kept connections just when they are used again.
func TestKeptConnectionThatIsDead(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.knowBob()
		if _, err := r.login(secret); err != nil {
			t.Fatal(err)
		}
		dead := true
		r.centre.script = func(http.ResponseWriter, *http.Request, []edge.Record) bool {
			if dead {
				dead = false
				panic(http.ErrAbortHandler)
			}
			return false
		}
		if _, err := r.login(secret); err != nil || dead {
			t.Errorf("got %v", err)
		}
	})
}

func TestGuestWhoGoesAway(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		reached := make(chan struct{})
		r.centre.script = func(w http.ResponseWriter, req *http.Request, recs []edge.Record) bool {
			close(reached)
			return silence(w, req, recs)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := r.Authority.Authenticate(ctx, sessions.Credentials{Username: "bob"}, sessions.Station{}); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
		<-reached
		cancel()
		wg.Wait()
		r.centre.set(func() { r.centre.script = nil })
		if _, err := r.login("x"); !errors.Is(err, sessions.ErrWrongPassword) {
			t.Errorf("the next guest: %v", err)
		}
		if r.logs.count("level=") != 0 {
			t.Errorf("logged: %s", r.logs.buf.String())
		}
	})
}

func TestProfilesComeBeforeTheAnswer(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.knowBob(5)
		r.run(r.Puller.Run)
		r.pass(7 * time.Second)
		// The centre has the profile to tell, but does not wake the poll that is held open.
		r.centre.set(func() {
			r.centre.pages[""] = edge.ChangesAnswer{Cursor: "c1", Changes: []edge.Change{{Profile: hourProfile("3600")}}}
		})
		got, err := r.login(secret)
		if err != nil || len(got.Profiles) != 1 || got.Profiles[0].Reply[0].Value != "3600" {
			t.Fatalf("%+v, %v", got, err)
		}
		synctest.Wait()
		polls := len(r.centre.polls)
		if _, err := r.login(secret); err != nil || len(r.centre.polls) != polls {
			t.Errorf("%v, the feed was read again for a profile that is known", err)
		}
	})
}

func TestLoginWithoutItsProfiles(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) { // nobody runs the Puller
		r.knowBob(5)
		began := time.Now()
		if got, err := r.login(secret); err != nil || got.Username != "bob" || time.Since(began) != 4*time.Second {
			t.Errorf("%+v, %v after %v", got, err, time.Since(began))
		}
	})
}

// The same over a real socket, with TLS and HTTP/2, and the token from its file.
func TestOverTLS(t *testing.T) {
	c := newCentre()
	c.users["bob/"+secret] = edge.AuthenticateAnswer{Authenticated: true, Account: edgeAccount(7, "bob")}
	proto := ""
	c.script = func(_ http.ResponseWriter, req *http.Request, _ []edge.Record) bool { proto = req.Proto; return false }
	server := httptest.NewUnstartedServer(c)
	server.EnableHTTP2 = true
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	server.StartTLS()
	defer server.Close()

	file := filepath.Join(t.TempDir(), "token")
	r := &rig{t: t, logs: &logBuffer{}, outbox: newOutbox(), mirror: newMirror(), centre: c, clock: &bubbleClock{zero: time.Now(), boot: "b"}}
	cfg := Config{BaseURL: server.URL + "/sub", Token: TokenFile(file), NASID: "gw1", Clock: r.clock, Outbox: r.outbox, Mirror: r.mirror,
		Logger: slogTo(r.logs), Changed: func(context.Context, string) error { panic("not here") }}
	var err error
	if r.Sync, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	defer func() { r.Pusher.client.edge.HTTP.CloseIdleConnections() }()
	if _, err := r.login(secret); !errors.Is(err, sessions.ErrUnreachable) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a token: %v", err)
	}
	if err := os.WriteFile(file, []byte(testToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.Authority.failedAt = nil
	if _, err := r.login(secret); !errors.Is(err, sessions.ErrUnreachable) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown authority: %v", err)
	}
	cfg.CAs = server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	if r.Sync, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := r.login(secret); err != nil || proto != "HTTP/2.0" {
		t.Errorf("%s: %v", proto, err)
	}
	r.fill(3)
	if _, err := r.Pusher.drain(t.Context()); err != nil {
		t.Error(err)
	}
	r.settled(3)
}

func TestNewRefuses(t *testing.T) {
	for _, cfg := range []Config{{NASID: "gw1"}, {NASID: "gw1", BaseURL: "ftp://x"}, {NASID: "gw1", BaseURL: "https://"}, {BaseURL: "https://x"}} {
		if _, err := New(cfg); err == nil {
			t.Errorf("New takes %+v", cfg)
		}
	}
}
