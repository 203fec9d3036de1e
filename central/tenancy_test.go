package central_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"gatehouse/api/edge"
)

// secret stands in everything that acme has, so that it may stand in no answer to globex.
const secret = "xyzzy"

// TestNothingOfOneOrganisationShowsToAnother asks every operation of every document with the token of an organisation beside, and of
// one below: nothing of acme is in an answer, nothing of it can be read or changed by its id, and afterwards it is all as before.
func TestNothingOfOneOrganisationShowsToAnother(t *testing.T) {
	c := newCentre(t, withSecrets(t))
	acme := newWorld(c, "acme", secret)
	lists, things := acme.all(t, false), acme.all(t, true)
	for _, org := range []string{"globex", "acme-west"} {
		intruder := newWorld(c, org, "plugh"+org)
		for _, op := range acme.ops {
			a := ask{who: org + " admin", method: op.method, path: acme.at(op)}
			if strings.HasPrefix(op.path, "/edge/") {
				a.who = org + " edge"
			}
			if s := op.body(); s != nil {
				a.body = intruder.object(s)
			}
			got := c.do(a)
			if strings.Contains(got.text, secret) && !strings.Contains(a.path, secret) {
				t.Errorf("%s as %s: %d %s", op, a.who, got.status, got.text)
			}
			if hole.MatchString(op.path) && !op.settings() && got.status != http.StatusNotFound {
				t.Errorf("%s as %s: status %d, want 404: %s", op, a.who, got.status, got.text)
			}
			acme.pryWithQueries(t, op, a)
			acme.pryWithReferences(t, op, a)
		}
		if diff := cmp.Diff(things, acme.all(t, true)); diff != "" {
			t.Errorf("acme's things are not as before %s (-before +after):\n%s", org, diff)
		}
		if diff := cmp.Diff(lists, acme.all(t, false)); diff != "" && org == "globex" { // what is below acme is in its lists
			t.Errorf("acme's lists are not as before (-before +after):\n%s", diff)
		}
	}
}

var callsForm = regexp.MustCompile(`"current_api_calls":\d+`) // reading is a call

// all is every thing of a world, or every list, as its admin reads it.
func (w *world) all(t *testing.T, things bool) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, op := range w.ops {
		if !op.readable() || hole.MatchString(op.path) != things {
			continue
		}
		got := w.do(ask{who: w.who(), method: "GET", path: w.at(op)})
		if got.status != http.StatusOK {
			t.Errorf("%s of %s's own: %d %s", op, w.org, got.status, got.text)
		}
		// A sheet's PDF is never the same, an export tells of itself, and the audit log tells of the export.
		if !strings.HasSuffix(op.path, "/export/") && !strings.HasSuffix(op.path, "/audit/") {
			all[op.String()] = callsForm.ReplaceAllString(got.text, "")
		}
	}
	return all
}

// pryWithQueries asks for what belongs to this world in every parameter.
func (w *world) pryWithQueries(t *testing.T, op contractOp, a ask) {
	t.Helper()
	for _, p := range op.parameters(openapi3.ParameterInQuery) {
		for _, v := range []string{"1", w.org, w.made["/api/v1/user"], "ann" + w.mark} {
			a.path = w.at(op) + "?" + url.Values{p.Name: {v}}.Encode()
			if got := w.do(a); strings.Contains(strings.ReplaceAll(got.text, "ann"+w.mark, ""), w.mark) {
				t.Errorf("%s as %s: %d %s", a.path, a.who, got.status, got.text)
			}
		}
	}
}

// pryWithReferences sends bodies that point at what belongs to this world.
func (w *world) pryWithReferences(t *testing.T, op contractOp, a ask) {
	t.Helper()
	s := op.body()
	if s == nil || hole.MatchString(op.path) {
		return
	}
	for name, property := range properties(s) {
		var ref any = w.reference(name)
		switch {
		case name == "organization":
			ref = w.org
		case name == "profile":
			ref = []string{"west" + w.mark}
		case ref == "" || !property.Type.Permits("integer"):
			continue
		default:
			ref = json.Number(ref.(string))
		}
		a.body = with(a.body, name, ref)
		if got := w.do(a); got.status/100 != 4 {
			t.Errorf("%s as %s with %s=%v of %s: %d %s", op, a.who, name, ref, w.org, got.status, got.text)
		}
		delete(a.body.(map[string]any), name)
	}
}

// TestCredentialsAndRecordsOfOthers: what is not in an answer of a list.
func TestCredentialsAndRecordsOfOthers(t *testing.T) {
	c := newCentre(t)
	user := c.user("acme", "ann-"+secret, "right-password")
	for _, path := range []string{"globex portal", "acme-west portal"} {
		c.want(http.StatusUnprocessableEntity, ask{who: path, method: "POST", path: "/api/v1/device_app_user_authenticate/",
			body: map[string]any{"username": "ann-" + secret, "password": "right-password"}}, nil)
	}
	var answer edge.AuthenticateAnswer
	c.want(http.StatusOK, ask{who: "acme-west edge", method: "POST", path: edge.AuthenticatePath,
		body: edge.AuthenticateRequest{Username: "ann-" + secret, Password: "right-password"}}, &answer)
	if answer.Authenticated || answer.Account != nil {
		t.Errorf("a gateway below may log in a user from above: %+v", answer)
	}
	if got := c.want(http.StatusOK, ask{who: "globex edge", method: "GET", path: edge.ChangesPath}, nil); strings.Contains(got.text, secret) {
		t.Errorf("changes: %s", got.text)
	}
	// The other's id and name in records make no tie to it.
	s, tx := session(1, noon, true), transaction(2, noon)
	s.Accounting.Username, tx.Transaction.Username = "ann-"+secret, "ann-"+secret
	c.ingest("acme", s, tx)
	s.Accounting.UserID, tx.Transaction.UserID = user, user
	if got := c.ingest("globex", s, tx); got[0].Status != edge.Merged || got[1].Status != edge.Merged {
		t.Errorf("the same keys in another organisation: %+v", got)
	}
	reply := c.want(http.StatusOK, ask{who: "globex admin", method: "GET", path: "/api/v1/aaa_accounting/"}, nil)
	if !strings.Contains(reply.text, `"user_id":null`) || strings.Count(reply.text, "radacctid") != 1 {
		t.Errorf("globex's record: %s", reply.text)
	}
}

// TestParentSeesWhatIsBelow: every thing by its id, and something in every list.
func TestParentSeesWhatIsBelow(t *testing.T) {
	c := newCentre(t, withSecrets(t))
	west := newWorld(c, "acme-west", secret)
	for _, op := range west.ops {
		if !op.readable() || op.settings() {
			continue
		}
		own := c.want(http.StatusOK, ask{who: "acme-west admin", method: "GET", path: west.at(op)}, nil)
		parents := c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: west.at(op)}, nil)
		if strings.Contains(own.text, secret) && !strings.Contains(parents.text, secret) {
			t.Errorf("%s: %s, the parent sees %s", op, own.text, parents.text)
		}
	}
	var u struct{ Organization int64 }
	c.want(http.StatusCreated, ask{who: "acme admin", method: "POST", path: "/api/v1/user/",
		body: map[string]any{"username": "carl", "organization": "acme-west"}}, &u)
	if u.Organization != 2 {
		t.Errorf("organization %d, want 2", u.Organization)
	}
	wantNamed(t, c.want(http.StatusBadRequest, ask{who: "acme-west admin", method: "POST", path: "/api/v1/user/",
		body: map[string]any{"username": "dora", "organization": 1}}, nil), "organization")
}
