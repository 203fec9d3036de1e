package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/lab"
	"gatehouse/lab/venue"
)

// TestProbesOverTheAir has every probe of every system asked by a station, in both families, by GET and HEAD: captive it is
// redirected with exactly our header; logged in it gets the true server's answer, which our header is not in.
func TestProbesOverTheAir(t *testing.T) {
	s := newSite(t)
	p := s.start(t)
	g := s.guest(t)
	family := map[string]string{lab.WebAddr4: lab.GuestGateway4, lab.WebAddr6: lab.GuestGateway6}
	for _, captive := range []bool{true, false} {
		for _, row := range lab.OnlineProbes() {
			for server, gateway := range family {
				for _, method := range []string{http.MethodGet, http.MethodHead} {
					what := fmt.Sprintf("%s %s to %s, captive %v", method, row.URL(), server, captive)
					got, err := askRaw(t, g, net.JoinHostPort(server, "80"), method, row.Host, row.Target, row.UserAgent)
					if err != nil {
						t.Fatalf("%s: %v", what, err)
					}
					want := rawAnswer{Status: row.Status, Body: row.Body, Header: map[string]string{}}
					for name, value := range row.Header {
						want.Header[textproto.CanonicalMIMEHeaderKey(name)] = value
					}
					if captive {
						want = rawAnswer{Status: http.StatusFound, Closed: true, Header: map[string]string{
							"Location":      "http://" + net.JoinHostPort(gateway, "2080") + "/?u=" + url.QueryEscape(row.URL()),
							"Cache-Control": "no-store", "Pragma": "no-cache", "Expires": "0", "Connection": "close", "Content-Type": "text/html; charset=utf-8"}}
						got.Body = ""
					} else { // what every web server says
						delete(got.Header, "Content-Type")
						got.Closed = false
					}
					if method == http.MethodHead {
						want.Body = ""
					}
					if d := cmp.Diff(want, got); d != "" {
						t.Errorf("%s (-want +got):\n%s", what, d)
					}
				}
			}
		}
		if captive {
			if at, err := g.Click(t.Context()); err != nil || at.Status != http.StatusOK {
				t.Fatalf("login: %d %v", at.Status, err)
			}
		}
	}
	if err := p.Terminate(); err != nil {
		t.Errorf("stopping: %v\n%s", err, p.Log())
	}
}

type rawAnswer struct {
	Status int
	Closed bool // by the server, after the answer
	Header map[string]string
	Body   string
}

// askRaw asks over a connection of its own. Date and Content-Length are looked at and left out.
func askRaw(t *testing.T, g *venue.Guest, server, method, host, target, agent string) (rawAnswer, error) {
	t.Helper()
	c, err := g.Dial(t.Context(), "tcp", server)
	if err != nil {
		return rawAnswer{}, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return rawAnswer{}, err
	}
	request := method + " " + target + " HTTP/1.1\r\nHost: " + host + "\r\n"
	if agent != "" {
		request += "User-Agent: " + agent + "\r\n"
	}
	if _, err := io.WriteString(c, request+"\r\n"); err != nil {
		return rawAnswer{}, err
	}
	return readRaw(bufio.NewReader(c), method)
}

func readRaw(r *bufio.Reader, method string) (rawAnswer, error) {
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		return rawAnswer{}, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return rawAnswer{}, err
	}
	got := rawAnswer{Status: resp.StatusCode, Body: string(body), Header: map[string]string{}}
	for name := range resp.Header {
		got.Header[name] = strings.Join(resp.Header[name], "|")
	}
	if resp.Close {
		got.Header["Connection"] = "close" // ReadResponse takes it out
		_, err := r.ReadByte()
		got.Closed = errors.Is(err, io.EOF)
	}
	if _, err := time.Parse(http.TimeFormat, got.Header["Date"]); err != nil {
		return got, err
	}
	if method == http.MethodGet && resp.ContentLength >= 0 && resp.ContentLength != int64(len(body)) {
		return got, fmt.Errorf("content length %d of %d octets", resp.ContentLength, len(body))
	}
	delete(got.Header, "Date")
	delete(got.Header, "Content-Length")
	return got, nil
}

// TestConnectionsFromBefore: connections that a browser opened before the login, and keeps for its next request, never lead to the portal afterwards (DESIGN D9, standards.md §2.4).
func TestConnectionsFromBefore(t *testing.T) {
	s := newSite(t)
	p := s.start(t)
	g := s.guest(t)
	var idle []net.Conn
	for _, server := range []string{lab.WebAddr4, lab.WebAddr6, lab.WebAddr4} {
		c, err := g.Dial(t.Context(), "tcp", net.JoinHostPort(server, "80"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		idle = append(idle, c)
	}
	if at, err := g.Click(t.Context()); err != nil || at.Status != http.StatusOK {
		t.Fatalf("login: %d %v", at.Status, err)
	}
	for i, c := range idle {
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.WriteString(c, "GET /generate_204 HTTP/1.1\r\nHost: connectivitycheck.gstatic.com\r\n\r\n"); err != nil {
			continue // reset is as good
		}
		got, err := readRaw(bufio.NewReader(c), http.MethodGet)
		if err != nil {
			continue
		}
		if got.Header["Location"] != "http://connectivitycheck.gstatic.com/generate_204" || !got.Closed || strings.Contains(got.Body, ":2080") {
			t.Errorf("connection %d from before the login leads to %+v", i, got)
		}
	}
	if err := p.Terminate(); err != nil {
		t.Errorf("stopping: %v\n%s", err, p.Log())
	}
}

// TestOnlineBeforeItIsSaid: while the daemon has not yet answered the login, packets pass already (problem P3).
func TestOnlineBeforeItIsSaid(t *testing.T) {
	s := newSite(t)
	st := newSteps(t)
	p := s.start(t, stepsVariable+"="+st.path, pointVariable+"=portal.before_answer")
	g := s.guest(t)
	done := make(chan error, 1)
	go func() {
		at, err := g.Click(t.Context())
		if err == nil && at.Status != http.StatusOK {
			err = fmt.Errorf("the login is answered %d", at.Status)
		}
		done <- err
	}()
	stopped, err := st.reached(20 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range []string{lab.WebAddr4, lab.WebAddr6} {
		if got, err := g.ProbeTCP(t.Context(), net.JoinHostPort(server, "443"), 2*time.Second); err != nil || got != lab.Connected {
			t.Errorf("before the login is answered TCP to %s: %s %v", server, got, err)
		}
	}
	select {
	case err := <-done:
		t.Errorf("the login was answered already: %v", err)
	default:
	}
	_ = stopped.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := p.Terminate(); err != nil {
		t.Errorf("stopping: %v\n%s", err, p.Log())
	}
}
