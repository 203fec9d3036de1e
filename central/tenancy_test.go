package central_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatehouse/api/edge"
	"gatehouse/central"
	"gatehouse/central/store"
)

// secret stands in everything that acme has, so that it may stand in no answer to globex.
const secret = "xyzzy"

func TestNothingOfOneOrganisationShowsToAnother(t *testing.T) {
	spec, c := loadSpec(t), newCentre(t)
	c.profile("acme", secret)
	user := c.user("acme", "ann-"+secret, "right-password", secret)
	s := session(1, noon, true)
	s.Accounting.SSID, s.Accounting.LocationID, s.Accounting.AccessPointID, s.Accounting.Username = secret, 1, 1, "ann-"+secret
	tx := transaction(2, noon)
	tx.Transaction.Message, tx.Transaction.LocationID, tx.Transaction.Username = secret, 1, "ann-"+secret
	c.ingest("acme", s, tx)
	list, _, err := c.store.Accounting(t.Context(), store.Scope{1}, store.AcctFilter{}, store.Page{Limit: 1})
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	fill := strings.NewReplacer("{id}", fmt.Sprint(user), "{username}", "ann-"+secret, "{radacctid}", fmt.Sprint(list[0].RadAcctID))
	for _, r := range spec.rows {
		queries := []string{"", "?user=" + fmt.Sprint(user), "?location=1", "?access_point=1", "?organization=1", "?organization=acme", "?id=1"}
		for _, q := range queries {
			a := ask{who: "globex admin", method: r.Method, path: "/api/v1" + fill.Replace(r.Path) + q}
			if strings.Contains(r.Path, "authenticate") {
				a.body = map[string]any{"username": "ann-" + secret, "password": "right-password"}
			} else if r.Body != nil {
				a.body = map[string]any{"username": "somebody"}
			}
			got := c.do(a)
			if body := strings.ReplaceAll(got.text, `"username":"ann-`+secret, ""); strings.Contains(body, secret) {
				t.Errorf("%s %s: %d %s", a.method, a.path, got.status, got.text)
			}
			if strings.Contains(r.Path, "{") && got.status != http.StatusNotFound {
				t.Errorf("%s %s: status %d, want 404", a.method, a.path, got.status)
			}
		}
	}
	c.want(http.StatusUnprocessableEntity, ask{who: "globex portal", method: "POST", path: "/api/v1/device_app_user_authenticate/",
		body: map[string]any{"username": "ann-" + secret + "x", "password": "right-password"}}, nil)

	var answer edge.AuthenticateAnswer
	c.want(http.StatusOK, ask{who: "acme-west edge", method: "POST", path: edge.AuthenticatePath,
		body: edge.AuthenticateRequest{Username: "ann-" + secret, Password: "right-password"}}, &answer)
	if answer.Authenticated || answer.Account != nil {
		t.Errorf("a gateway below may log in a user from above: %+v", answer)
	}
	got := c.want(http.StatusOK, ask{who: "globex edge", method: "GET", path: edge.ChangesPath}, nil)
	if strings.Contains(got.text, secret) {
		t.Errorf("changes: %s", got.text)
	}
	// The other's id and name in records make no tie to it.
	s.Accounting.UserID, tx.Transaction.UserID = user, user
	if got := c.ingest("globex", s, tx); got[0].Status != edge.Merged || got[1].Status != edge.Merged {
		t.Errorf("the same keys in another organisation: %+v", got)
	}
	reply := c.want(http.StatusOK, ask{who: "globex admin", method: "GET", path: "/api/v1/aaa_accounting/"}, nil)
	if !strings.Contains(reply.text, `"user_id":null`) || strings.Count(reply.text, "radacctid") != 1 {
		t.Errorf("globex's record: %s", reply.text)
	}
	c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: "/api/v1/user/" + fmt.Sprint(user) + "/"}, nil)
}

// TestRoles: every role at every endpoint, as the tables of routes say.
func TestRoles(t *testing.T) {
	s := newStage(t)
	basic := s.basic() // a user without a role
	holes := regexp.MustCompile(`{[a-zA-Z_]+}`)
	for _, r := range central.Routes() {
		for _, role := range append(store.Roles(), store.RoleUser) {
			a := ask{who: "acme " + string(role), method: r.Method, path: holes.ReplaceAllString(r.Path, "999999")}
			if role == store.RoleUser {
				if !strings.Contains(r.Path, "okens") { // nowhere else may a user ask by name and password
					continue
				}
				a.who, a.header = "", basic
			}
			may := slices.Contains(r.Roles, role)
			if strings.HasSuffix(r.Path, "/currentUser") {
				may = role == store.RoleUser // an organisation's token is nobody's
			}
			if got := s.do(a); (got.status == http.StatusForbidden) == may || got.status == http.StatusUnauthorized {
				t.Errorf("%s %s as %s: status %d %s", r.Method, r.Path, role, got.status, got.text)
			}
		}
	}
}

func TestParentSeesWhatIsBelow(t *testing.T) {
	c := newCentre(t)
	c.user("acme-west", "bob", "")
	c.ingest("acme-west", session(1, noon, true))
	for who, want := range map[string]int{"acme admin": 1, "acme-west admin": 1, "globex admin": 0} {
		for _, path := range []string{"/api/v1/user/", "/api/v1/aaa_accounting/"} {
			var p page
			c.want(http.StatusOK, ask{who: who, method: "GET", path: path}, &p)
			if len(p.Results) != want {
				t.Errorf("%s as %s: %d results, want %d", path, who, len(p.Results), want)
			}
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
