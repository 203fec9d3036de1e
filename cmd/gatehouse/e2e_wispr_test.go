package main

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"testing"

	"gatehouse/lab"
	"gatehouse/lab/venue"
)

// TestWISPr logs in as a connection manager does, without looking at a page: caught by its probe, in by the message that comes with
// the redirect, and out again.
func TestWISPr(t *testing.T) {
	t.Parallel()
	lab.RequireKernel(t)
	v := newVenue(t, venue.Options{Zone: "methods = [\"password\"]\nallow_cleartext = true\nwispr = true\n"})
	addAccount(t, v, "ann", "correct horse")
	g := guestOf(t, v)
	client := g.HTTPClient()
	tell := func(method, address string, form url.Values) string {
		t.Helper()
		var resp *http.Response
		var err error
		if method == http.MethodPost {
			resp, err = client.PostForm(address, form)
		} else {
			resp, err = client.Get(address)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	field := func(message, name string) string {
		t.Helper()
		m := regexp.MustCompile("<" + name + ">([^<]+)</" + name + ">").FindStringSubmatch(message)
		if m == nil {
			t.Fatalf("no %s in\n%s", name, message)
		}
		return m[1]
	}
	probe, err := g.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	login := field(probe.Body, "LoginURL")
	bad := tell("POST", login, url.Values{"UserName": {"ann"}, "Password": {"wrong"}})
	if field(bad, "MessageType") != "120" || field(bad, "ResponseCode") != "100" {
		t.Fatal(bad)
	}
	answered(t, g, http.StatusFound)
	good := tell("POST", login, url.Values{"UserName": {"ann"}, "Password": {"correct horse"}, "button": {"Login"}, "FNAME": {"0"}})
	if field(good, "MessageType") != "120" || field(good, "ResponseCode") != "50" {
		t.Fatal(good)
	}
	answered(t, g, http.StatusNoContent)
	if gone := tell("GET", field(good, "LogoffURL"), nil); field(gone, "ResponseCode") != "150" {
		t.Fatal(gone)
	}
	answered(t, g, http.StatusFound)
}
