package central_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gatehouse/api/edge"
)

// TestWhatTheCentreKnows: fields that no gateway sends, or only some do.
func TestWhatTheCentreKnows(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	c.profile("acme", "gold")
	c.profile("acme", "silver")
	c.user("acme", "ann@example.org", "", "gold", "silver")
	said, silent, stranger := session(1, noon, true), session(2, noon.Add(-time.Second), false), session(3, noon.Add(-time.Minute), true)
	said.Accounting.Username, said.Accounting.GroupName = "ann@example.org", "bronze"
	said.Accounting.ConnectInfoStart, said.Accounting.FramedProtocol = "CONNECT 54Mbps 802.11n", "PPP"
	silent.Accounting.Username, silent.Accounting.ConnectInfoStop = "ann@example.org", "CONNECT 11Mbps"
	stranger.Accounting.Username, stranger.Accounting.NASIdentifier = "@", "another"
	c.ingest("acme", said, silent, stranger)
	gw := c.places("acme admin", "aaa_accounting/").Results[0]["client_id"]
	want := []string{
		"bronze example.org " + fmt.Sprint(gw) + " gw1 CONNECT 54Mbps 802.11n <nil> PPP",
		"gold example.org " + fmt.Sprint(gw) + " gw1 <nil> CONNECT 11Mbps <nil>",
		"<nil> <nil> <nil> <nil> <nil> <nil> <nil>"}
	for i, r := range c.places("acme admin", "aaa_accounting/").Results {
		got := fmt.Sprint(r["groupname"], " ", r["realm"], " ", r["client_id"], " ", r["client_short_name"], " ", r["connectinfo_start"], " ",
			r["connectinfo_stop"], " ", r["framedprotocol"])
		if got != want[i] {
			t.Errorf("session %d: %s, want %s", i, got, want[i])
		}
	}
	number := strings.TrimPrefix(fmt.Sprint(gw), "client_")
	for query, n := range map[string]int{"client=" + fmt.Sprint(gw): 2, "client=" + number: 2, "client=999": 0, "client=0": 0,
		"session_status=inactive&client=" + number: 1} {
		if got := len(c.places("acme admin", "aaa_accounting/?"+query).Results); got != n {
			t.Errorf("%s: %d sessions, want %d", query, got, n)
		}
	}
	// A profile that changes does not change what was.
	c.want(200, ask{who: "acme admin", method: "PATCH", path: "/api/v1/user/username/ann@example.org/", body: map[string]any{"profile": []string{"silver"}}}, nil)
	c.ingest("acme", silent)
	if got := c.places("acme admin", "aaa_accounting/").Results[1]["groupname"]; got != "gold" {
		t.Errorf("group %v after the profile has changed", got)
	}
}

// TestNewUser sends a user's logins in any order: the first is the new user's.
func TestNewUser(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	c.user("acme", "ann", "")
	for _, n := range []int{2, 1, 3} {
		tx := transaction(n, noon.Add(time.Duration(n)*time.Hour))
		tx.Transaction.Username = "ann"
		c.ingest("acme", tx)
	}
	register := edge.Record{Transaction: &edge.Transaction{ID: "r", DateTime: noon.Add(9 * time.Hour), Type: "ur", Status: "h201", Username: "bob"}}
	c.ingest("acme", register, transaction(4, noon))
	var got []string
	for _, r := range c.places("acme admin", "txlog_portal/").Results {
		got = append(got, fmt.Sprint(r["type"], r["new_user"]))
	}
	if strings.Join(got, " ") != "urtrue uifalse uifalse uitrue uifalse" {
		t.Errorf("newest first: %v", got)
	}
}
