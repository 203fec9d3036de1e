package central_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/api/edge"
	"gatehouse/api/gate"
	"gatehouse/central/store"
)

// cheapHash is of the password "Sécret pässword 1", made by passlib: it costs nothing to check.
const (
	cheapHash     = "$argon2id$v=19$m=1024,t=2,p=2$jLG2VuodIyRE6H3v3fs/Jw$aM2WIH5wEVd1lJMy0uPEpQ"
	cheapPassword = "Sécret pässword 1"
)

// member makes a user with cheapPassword and a role at the API, "" for none, and returns its id.
func (c *centre) member(org, username string, role store.Role) int64 {
	c.t.Helper()
	id, err := c.store.OrganizationNamed(c.t.Context(), org)
	if err != nil {
		c.t.Fatal(err)
	}
	hash := cheapHash
	u, err := c.store.SaveUser(c.t.Context(), store.Scope{id}, 0, func(u *gate.User) {
		*u = gate.User{Username: username, Organization: &id, IsActive: true, FirstName: new("Ann")}
	}, &hash)
	if err == nil && role != "" {
		err = c.store.SetUserRole(c.t.Context(), org, username, role)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return u.ID
}

func basic(name, password string) map[string]string {
	return map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))}
}

type pair struct{ UserCode, PassCode string }

func (c *centre) userToken(name string) pair {
	c.t.Helper()
	var p pair
	c.want(http.StatusOK, ask{method: "POST", path: "/api/v2/userTokens/currentUser", header: basic(name, cheapPassword)}, &p)
	return p
}

func TestSonatypeUserTokens(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	c.member("acme", "iq-server-user", "")
	c.member("acme", "admin", store.RoleAdmin)
	c.member("globex", "other", "")
	admin, user := basic("admin", cheapPassword), basic("iq-server-user", cheapPassword)
	const own, all = "/api/v2/userTokens/currentUser", "/api/v2/userTokens"

	p := c.userToken("iq-server-user")
	if len(p.UserCode) != 8 || len(p.PassCode) != 44 {
		t.Errorf("%+v, want codes of 8 and 44 characters as in the example", p)
	}
	got := c.want(http.StatusConflict, ask{method: "POST", path: own, header: user}, nil)
	if ct := got.header.Get("Content-Type"); !strings.HasPrefix(ct, "text/plain") || strings.HasPrefix(got.text, "{") {
		t.Errorf("409 with %q of type %s, want a text", got.text, ct)
	}
	c.userToken("other")

	var list []map[string]string
	c.want(http.StatusOK, ask{method: "GET", path: all, header: admin}, &list)
	if diff := cmp.Diff([]map[string]string{{"userCode": p.UserCode}}, list); diff != "" {
		t.Errorf("list: %s", diff)
	}
	for query, n := range map[string]int{
		"createdAfter=2026-03-01": 1, "createdAfter=2026-03-02": 0, "createdBefore=2026-03-01": 0, "createdBefore=2026-03-02": 1,
		"createdAfter=2026-03-01&createdBefore=2026-03-02": 1, "createdAfter=2026-02-01&createdBefore=2026-03-01": 0,
	} {
		c.want(http.StatusOK, ask{method: "GET", path: all + "?" + query, header: admin}, &list)
		if len(list) != n {
			t.Errorf("%s: %d tokens, want %d", query, len(list), n)
		}
	}
	for _, bad := range []string{"createdAfter=01.03.2026", "createdBefore=2026-13-01", "createdAfter=2026-03-01T00:00:00Z", "createdAfter="} {
		c.want(http.StatusBadRequest, ask{method: "GET", path: all + "?" + bad, header: admin}, nil)
	}
	for _, a := range []ask{{method: "GET", path: all}, {method: "DELETE", path: all + "/purge"},
		{method: "DELETE", path: all + "/userCode/" + p.UserCode}} {
		a.header = user
		c.want(http.StatusForbidden, a, nil)
		a.header = nil
		if got := c.want(http.StatusUnauthorized, a, nil); !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("WWW-Authenticate %q", got.header.Get("WWW-Authenticate"))
		}
		a.who = "acme staff"
		c.want(http.StatusForbidden, a, nil)
	}
	c.want(http.StatusForbidden, ask{who: "acme admin", method: "POST", path: own}, nil)
	c.want(http.StatusUnauthorized, ask{method: "POST", path: own, header: basic("iq-server-user", "wrong")}, nil)
	c.want(http.StatusNotFound, ask{who: "globex admin", method: "DELETE", path: all + "/userCode/" + p.UserCode}, nil)
	c.want(http.StatusNoContent, ask{method: "DELETE", path: all + "/userCode/" + p.UserCode, header: admin}, nil)
	c.want(http.StatusNotFound, ask{method: "DELETE", path: all + "/userCode/" + p.UserCode, header: admin}, nil)

	p2 := c.userToken("iq-server-user")
	c.want(http.StatusNoContent, ask{method: "DELETE", path: own, header: basic(p2.UserCode, p2.PassCode)}, nil)
	c.want(http.StatusNotFound, ask{method: "DELETE", path: own, header: user}, nil)
	c.want(http.StatusUnauthorized, ask{method: "DELETE", path: own, header: basic(p2.UserCode, p2.PassCode)}, nil)
	for _, secret := range []string{p.PassCode, p2.PassCode, cheapPassword} {
		if strings.Contains(c.log.String(), secret) {
			t.Error("a secret is in the log")
		}
	}
}

func TestUserTokensOfUsersWhoAreNoMore(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	codes := func() []pair {
		var list []pair
		c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: "/api/v2/userTokens"}, &list)
		return list
	}
	gone := make([]pair, 3)
	for i := range gone {
		id := c.member("acme", fmt.Sprint("u", i), "")
		gone[i] = c.userToken(fmt.Sprint("u", i))
		if i < 2 {
			c.want(http.StatusNoContent, ask{who: "acme admin", method: "DELETE", path: fmt.Sprint("/api/v1/user/", id, "/")}, nil)
		}
	}
	if len(codes()) != 3 {
		t.Errorf("%v", codes())
	}
	c.want(http.StatusUnauthorized, ask{method: "DELETE", path: "/api/v2/userTokens/currentUser", header: basic(gone[0].UserCode, gone[0].PassCode)}, nil)
	if len(codes()) != 2 {
		t.Errorf("an obsolete token is there after it has been used: %v", codes())
	}
	c.want(http.StatusNoContent, ask{who: "globex admin", method: "DELETE", path: "/api/v2/userTokens/purge"}, nil)
	if len(codes()) != 2 {
		t.Error("another organisation purged them")
	}
	c.want(http.StatusNoContent, ask{who: "acme admin", method: "DELETE", path: "/api/v2/userTokens/purge"}, nil)
	if list := codes(); len(list) != 1 || list[0].UserCode != gone[2].UserCode {
		t.Errorf("after the purge: %v", list)
	}
}

// The pair is as good as name and password wherever somebody logs in, until it is deleted.
func TestUserTokenLogsIn(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	id := c.member("acme", "ann", "")
	c.member("globex", "bob", "")
	p, other := c.userToken("ann"), c.userToken("bob")
	login := func(p pair) (status int, name string) {
		var ok struct{ Username string }
		got := c.do(ask{who: "acme portal", method: "POST", path: "/api/v1/device_app_user_authenticate/",
			body: map[string]string{"username": p.UserCode, "password": p.PassCode}})
		if got.status == http.StatusCreated {
			name = regexp.MustCompile(`"username":"(\w+)"`).FindStringSubmatch(got.text)[1]
		}
		return got.status, name + ok.Username
	}
	gateway := func(p pair) edge.AuthenticateAnswer {
		var a edge.AuthenticateAnswer
		c.want(http.StatusOK, ask{who: "acme edge", method: "POST", path: edge.AuthenticatePath,
			body: edge.AuthenticateRequest{Username: p.UserCode, Password: p.PassCode}}, &a)
		return a
	}
	if status, name := login(p); status != http.StatusCreated || name != "ann" {
		t.Errorf("portal: %d as %q", status, name)
	}
	before := gateway(p)
	if !before.Authenticated || before.Account.UserID != id || before.Account.Username != "ann" {
		t.Fatalf("gateway: %+v", before)
	}
	for name, wrong := range map[string]pair{"another organisation's": other, "wrong pass code": {p.UserCode, other.PassCode},
		"in lower case": {p.UserCode, strings.ToLower(p.PassCode)}} {
		if status, _ := login(wrong); status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", name, status)
		}
	}
	if who := gateway(other); who.Authenticated {
		t.Error("another organisation's pair logs in at the gateway")
	}
	c.want(http.StatusNoContent, ask{who: "acme admin", method: "DELETE", path: fmt.Sprint("/api/auth-tokens/", id, "/")}, nil)
	if status, _ := login(p); status != http.StatusUnprocessableEntity {
		t.Errorf("after its deletion: %d", status)
	}
	var after edge.AuthenticateAnswer
	c.want(http.StatusOK, ask{who: "acme edge", method: "POST", path: edge.AuthenticatePath,
		body: edge.AuthenticateRequest{Username: "ann", Password: cheapPassword}}, &after)
	if after.Account.CredentialVersion <= before.Account.CredentialVersion {
		t.Error("gateways keep what they check the pair against")
	}
}

func TestWaldurAuthTokens(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	var ids []int64
	for i := range 5 {
		ids = append(ids, c.member([]string{"acme", "acme-west"}[i%2], fmt.Sprintf("user%d", i), ""))
		c.userToken(fmt.Sprintf("user%d", i))
	}
	c.member("globex", "other", "")
	c.userToken("other")
	token := map[string]string{"Authorization": "Token " + c.token("acme admin")}
	var list []map[string]any
	got := c.want(http.StatusOK, ask{method: "GET", path: "/api/auth-tokens/?page=2&page_size=2", header: token}, &list)
	if len(list) != 2 || got.header.Get("X-Result-Count") != "5" {
		t.Fatalf("%d tokens of %s: %s", len(list), got.header.Get("X-Result-Count"), got.text)
	}
	link := func(n int) string { return fmt.Sprintf("<%s/api/auth-tokens/?page=%d&page_size=2>; rel=", c.url, n) }
	if want := link(1) + `"first", ` + link(1) + `"prev", ` + link(3) + `"next", ` + link(3) + `"last"`; got.header.Get("Link") != want {
		t.Errorf("Link %s, want %s", got.header.Get("Link"), want)
	}
	want := map[string]any{"url": fmt.Sprintf("%s/api/auth-tokens/%d/", c.url, ids[2]), "created": noon.Format(time.RFC3339),
		"user": fmt.Sprintf("%s/api/v1/user/%d/", c.url, ids[2]), "user_first_name": "Ann", "user_last_name": "",
		"user_username": "user2", "user_is_active": true, "user_token_lifetime": nil}
	if diff := cmp.Diff(want, list[0]); diff != "" {
		t.Error(diff)
	}
	var one map[string]any
	c.want(http.StatusOK, ask{method: "GET", path: fmt.Sprintf("/api/auth-tokens/%d/", ids[2]), header: token}, &one)
	if diff := cmp.Diff(want, one); diff != "" {
		t.Error(diff)
	}
	c.want(http.StatusOK, ask{method: "GET", path: "/api/v1/user/" + fmt.Sprint(ids[2]) + "/", header: token}, nil)
	for query, status := range map[string]int{"?page=4&page_size=2": 404, "?page=0": 404, "?page=x": 404, "?page_size=x": 200, "?page_size=1000": 200} {
		c.want(status, ask{method: "GET", path: "/api/auth-tokens/" + query, header: token}, nil)
	}
	one1 := fmt.Sprintf("/api/auth-tokens/%d/", ids[0])
	for _, method := range []string{"GET", "DELETE"} {
		c.want(http.StatusForbidden, ask{who: "acme staff", method: method, path: one1}, nil)
		c.want(http.StatusNotFound, ask{who: "globex admin", method: method, path: one1}, nil)
		c.want(http.StatusUnauthorized, ask{method: method, path: one1}, nil)
	}
	c.want(http.StatusNoContent, ask{method: "DELETE", path: one1, header: token}, nil)
	c.want(http.StatusNotFound, ask{method: "GET", path: one1, header: token}, nil)
	c.member("acme", "boss", store.RoleAdmin)
	c.want(http.StatusOK, ask{method: "GET", path: "/api/auth-tokens/", header: basic("boss", cheapPassword)}, nil)
}

// A user's own rights at the API are those of its role in its organisation and below, by name and password on the token APIs only.
func TestUsersAtTheAPI(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	c.member("acme-west", "reader", store.RoleReadonly)
	c.member("acme-west", "guest", "")
	c.member("acme", "twin", store.RoleAdmin)
	c.member("globex", "twin", store.RoleAdmin)
	reader, guest := c.userToken("reader"), c.userToken("guest")
	const users = "/api/v1/user/"
	var page struct{ Results []struct{ Username string } }
	c.want(http.StatusOK, ask{method: "GET", path: users, header: basic(reader.UserCode, reader.PassCode)}, &page)
	if len(page.Results) != 2 {
		t.Errorf("the reader of acme-west sees %v", page.Results)
	}
	c.want(http.StatusForbidden, ask{method: "POST", path: users, header: basic(reader.UserCode, reader.PassCode), body: map[string]any{"username": "x"}}, nil)
	c.want(http.StatusForbidden, ask{method: "GET", path: users, header: basic(guest.UserCode, guest.PassCode)}, nil)
	c.want(http.StatusUnauthorized, ask{method: "GET", path: users, header: basic("reader", cheapPassword)}, nil)
	const tokens = "/api/v2/userTokens"
	c.want(http.StatusUnauthorized, ask{method: "GET", path: tokens, header: basic("twin", cheapPassword)}, nil) // which one?
	c.want(http.StatusOK, ask{method: "GET", path: tokens, header: basic("globex/twin", cheapPassword)}, nil)
	c.want(http.StatusUnauthorized, ask{method: "GET", path: tokens, header: basic("acme-west/twin", cheapPassword)}, nil)

	// The front desk cannot make itself an administrator by setting the password of one.
	id, err := c.store.UserID(t.Context(), store.Scope{1}, "twin")
	if err != nil {
		t.Fatal(err)
	}
	path := fmt.Sprint(users, id, "/")
	for _, method := range []string{"PATCH", "DELETE"} {
		c.want(http.StatusForbidden, ask{who: "acme staff", method: method, path: path, body: map[string]any{"description": "x"}}, nil)
	}
	c.want(http.StatusOK, ask{who: "acme admin", method: "PATCH", path: path, body: map[string]any{"is_active": false}}, nil)
	c.want(http.StatusUnauthorized, ask{method: "GET", path: tokens, header: basic("acme/twin", cheapPassword)}, nil)
}

// A right password that is kept in another form, or a weak one, is kept as ours after the login; gateways need not hear of it.
func TestPasswordIsKeptInABetterForm(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	c.member("acme", "ann", "")
	credential := func() store.Credential {
		cred, err := c.store.Credential(t.Context(), store.Scope{1}, "ann")
		if err != nil {
			t.Fatal(err)
		}
		return cred
	}
	login := func(password string, want int) {
		c.want(want, ask{who: "acme portal", method: "POST", path: "/api/v1/device_app_user_authenticate/",
			body: map[string]string{"username": "ann", "password": password}}, nil)
	}
	before := credential()
	login("wrong", http.StatusUnprocessableEntity)
	if got := credential(); got != before {
		t.Errorf("a wrong password changed %+v to %+v", before, got)
	}
	login(cheapPassword, http.StatusCreated)
	after := credential()
	if !strings.HasPrefix(after.Hash, "$argon2id$v=19$m=8192,") || after.Version != before.Version {
		t.Errorf("after the login %+v, before %+v", after, before)
	}
	login(cheapPassword, http.StatusCreated)
	if got := credential(); got != after {
		t.Errorf("a second login changed %+v to %+v", after, got)
	}
}
