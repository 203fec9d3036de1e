package central_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatehouse/central/store"
)

// entries are how many entries of the audit log a write has that has not one: an entry is about one object. why says what they are, or why
// there is none.
func entries() map[string]struct {
	n   int
	why string
} {
	return map[string]struct {
		n   int
		why string
	}{
		"POST /admin/v1/accounts/":                   {2, "the user, and the plan that it is on"},
		"PATCH /admin/v1/accounts/{id}/":             {2, "the user, and the plan that it is on"},
		"POST /admin/v1/gateways/":                   {2, "the gateway, and what it can claim itself with"},
		"POST /api/v1/device_app_user_update/":       {2, "the account, and the device"},
		"POST /api/v1/portal_login/":                 {2, "the login, and what a gateway is asked to do"},
		"POST /api/v1/user_token/":                   {2, "the user, and its time"},
		"PUT /api/v1/user_token/{id}/":               {2, "the user, and its time"},
		"PATCH /api/v1/user_token/{id}/":             {2, "the user, and its time"},
		"POST /edge/v1/proofs/check":                 {2, "the user, and what it said of itself"},
		"POST /api/v1/device_app_connection_log/":    {0, "a report, which is a log itself"},
		"POST /api/v1/device_app_test_report/":       {0, "a report, which is a log itself"},
		"POST /edge/v1/ingest":                       {0, "records, which are a log themselves"},
		"POST /api/v1/device_app_user_authenticate/": {0, "a login: the user has it as last_login"},
		"POST /edge/v1/authenticate":                 {0, "a login: it is in the transaction log"},
		"POST /edge/v1/proofs":                       {0, "a question; what it is answered with changes something"},
		"POST /edge/v1/certificate":                  {0, "a question; the certificate that is issued has an entry"},
		"POST /admin/v1/settings/mail/test/":         {0, "changes nothing"},
		"POST /admin/v1/settings/sms/test/":          {0, "changes nothing"},
		"POST /admin/v1/settings/certificates/test/": {0, "changes nothing"},
		"POST /admin/v1/settings/oidc/{name}/test/":  {0, "changes nothing"},
	}
}

// audited are the entries that the log has got since the last one that is known.
func (c *centre) audited(last *int64) (news []store.AuditEntry) {
	c.t.Helper()
	all, _, err := c.store.Audit(c.t.Context(), nil, store.AuditFilter{}, store.Page{Limit: 50})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, e := range all {
		if e.ID > *last {
			news = append(news, e)
		}
	}
	if len(news) > 0 {
		*last = news[0].ID
	}
	return news
}

// TestEveryWriteIsAudited does every write of every document: refused for whatever reason it leaves nothing in the audit log, done it leaves
// an entry for each object with who, when, from where and in which request, without secrets and without persons; repeated with its
// Idempotency-Key it has the same answer, and nothing is done again. The chains are whole.
func TestEveryWriteIsAudited(t *testing.T) {
	t.Parallel()
	w := newWorld(newCentre(t, withSecrets(t)), "acme", "xyzzy")
	d, last := newDeeds(w), int64(0)
	d.audited(&last)
	for n, op := range d.ops {
		if op.method == "GET" {
			continue
		}
		a := d.deed(op)
		d.audited(&last)
		for why, refused := range d.refusals(op, a) {
			got := d.do(refused)
			if news := d.audited(&last); got.status < 400 || len(news) > 0 {
				t.Errorf("%s, %s: %d %s; %d entries", op, why, got.status, got.text, len(news))
			}
		}
		if a.header == nil {
			a.header = map[string]string{}
		}
		a.header["X-Request-Id"], a.header["Idempotency-Key"] = fmt.Sprint("write-", n), fmt.Sprint("key-", n)
		got := d.do(a)
		if got.status/100 != 2 {
			t.Errorf("%s: %s %v is answered %d %s", op, a.path, a.body, got.status, got.text)
			continue
		}
		want, other := entries()[op.String()]
		if !other {
			want.n = 1
		}
		news := d.audited(&last)
		if len(news) != want.n {
			t.Errorf("%s has %d entries in the audit log, want %d: %s", op, len(news), want.n, entryTexts(news))
		}
		for _, e := range news {
			d.wantEntry(op, a, got, e)
		}
		if op.method == "POST" && (strings.HasPrefix(op.path, "/api/v1/") || strings.HasPrefix(op.path, "/admin/v1/")) {
			again := d.do(a)
			if news := d.audited(&last); again.status != got.status || again.text != got.text || len(news) > 0 {
				t.Errorf("%s again: %d %s, first %d %s; %d entries", op, again.status, again.text, got.status, got.text, len(news))
			}
		}
	}
	chains, err := d.store.VerifyAudit(t.Context(), 0)
	for _, chain := range chains {
		if chain.Broken != 0 {
			t.Error(chain.Fault)
		}
	}
	if err != nil || len(chains) < 3 {
		t.Errorf("%d chains, err %v", len(chains), err)
	}
}

// refusals are requests like one that would be done, and why they are not.
func (d *deeds) refusals(op contractOp, a ask) map[string]ask {
	all := make(map[string]ask)
	if op.Security == nil {
		nobody := a
		nobody.who, nobody.header = "", nil
		all["without a token"] = nobody
	}
	for _, role := range store.Roles() {
		if !d.may(op, string(role)) {
			other := a
			other.who, other.header = d.org+" "+string(role), nil
			all["as "+string(role)] = other
		}
	}
	if hole.MatchString(op.path) {
		absent := a
		absent.path = hole.ReplaceAllString(op.path, "999999999")
		if strings.Contains(op.path, "oidc") {
			absent.path = strings.Replace(absent.path, "999999999", "No_Name", 1)
		}
		all["of what is not there"] = absent
	}
	if op.body() != nil && !op.lines() {
		for _, body := range []string{"{", "[]"} {
			broken := a
			broken.body = body
			all["with the body "+body] = broken
		}
	}
	return all
}

func entryTexts(list []store.AuditEntry) (text string) {
	for _, e := range list {
		text += fmt.Sprintf("\n%s %s %s by %s: %s", e.Action, e.Object, e.ObjectID, e.Actor, e.Changes)
	}
	return text
}

var (
	actorForm = regexp.MustCompile(`^(token \d+|user p_[0-9a-f]{20}|gateway \S+)$`)
	// secretNames are fields of bodies and answers that are secrets; personal, those of persons.
	secretNames = regexp.MustCompile(`(?i)(password|secret|token|passcode|^codes?$|_key)$`)
	personal    = regexp.MustCompile(`^(username|email|first_name|last_name|external_id|avatar_url|description|generic_id|number|imei|imsi|iccid|mac_addr|mac|ip|uid|` +
		`push_key|title|birthday|telephone|address|city|postal_code|company|tax_id|passport_number|hometown|custom_field_\d)$`)
	ofPersons = regexp.MustCompile(`^(user|user_extra|user_time|user_token|account|device|portal_login|erasure|proof)$`)
)

// wantEntry holds an entry against the request that it is about.
func (d *deeds) wantEntry(op contractOp, a ask, got reply, e store.AuditEntry) {
	d.t.Helper()
	if e.Request != a.header["X-Request-Id"] || e.Address != "127.0.0.1" || !actorForm.MatchString(e.Actor) || !e.At.Equal(d.clock.Now().UTC()) ||
		e.Object == "" || e.ObjectID == "" || !slices.Contains([]string{"create", "update", "delete"}, e.Action) || !json.Valid(e.Changes) {
		d.t.Errorf("%s: %+v", op, e)
	}
	text := e.ObjectID + " " + string(e.Changes)
	sent, _ := json.Marshal(a.body)
	for _, document := range []string{string(sent), got.text} {
		var v any
		_ = json.Unmarshal([]byte(document), &v) // of ours, or there is none
		eachText(v, "", func(name, value string) {
			secret := secretNames.MatchString(name) || ofPersons.MatchString(e.Object) && personal.MatchString(name)
			if secret && len(value) > 3 && strings.Contains(text, value) {
				d.t.Errorf("%s: the audit log has %s %q: %s", op, name, value, text)
			}
		})
	}
}

// eachText calls found for every text in a value of JSON, with the name of the field that it is in.
func eachText(v any, name string, found func(name, value string)) {
	switch v := v.(type) {
	case string:
		found(name, v)
	case []any:
		for _, item := range v {
			eachText(item, name, found)
		}
	case map[string]any:
		for name, item := range v {
			eachText(item, name, found)
		}
	}
}

// rolesDocument is the table of who may what.
const rolesDocument = "../docs/roles.md"

// mays are the operations by who may do them, as the document has it.
func mays(t testing.TB) map[string][]string {
	t.Helper()
	f, err := os.Open(rolesDocument)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table := make(map[string][]string)
	var columns []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		cells := strings.Split(strings.TrimSuffix(strings.TrimPrefix(lines.Text(), "|"), "|"), "|")
		if len(cells) != 7 {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if cells[0] == "operation" {
			columns = cells
			continue
		}
		name, ok := strings.CutPrefix(strings.TrimSuffix(cells[0], "`"), "`")
		if !ok {
			continue
		}
		table[name] = []string{}
		for i, cell := range cells[1:] {
			if cell == "yes" {
				table[name] = append(table[name], columns[i+1])
			}
		}
	}
	return table
}

func (d *deeds) may(op contractOp, role string) bool {
	return slices.Contains(d.roles[op.String()], role)
}

// TestRoles goes through every operation of every document with every role: who may, by docs/roles.md, does it, and who may not is told so,
// also of what is there. The table has every operation, and no other.
func TestRoles(t *testing.T) {
	t.Parallel()
	w := newWorld(newCentre(t, withSecrets(t)), "acme", "xyzzy")
	d := newDeeds(w)
	left := mays(t)
	for _, op := range d.ops {
		if _, ok := left[op.String()]; !ok {
			t.Errorf("%s does not stand in %s", op, rolesDocument)
		}
		delete(left, op.String())
		a := d.deed(op)
		for _, may := range []bool{false, true} {
			for _, role := range append(store.Roles(), store.RoleUser) {
				if d.may(op, string(role)) != may {
					continue
				}
				got := d.do(d.as(role, op, a))
				switch {
				case !may && got.status != http.StatusForbidden:
					t.Errorf("%s as %s: status %d, want 403: %s", op, role, got.status, got.text)
				case may && got.status/100 != 2 && (role != store.RoleUser || got.status == http.StatusForbidden || got.status == http.StatusUnauthorized):
					t.Errorf("%s as %s: status %d: %s", op, role, got.status, got.text)
				}
				if may { // it is done, and cannot be again
					a = d.deed(op)
				}
			}
		}
	}
	for name := range left {
		t.Errorf("%s stands in %s, and in no document of the API", name, rolesDocument)
	}
}

// as is a request of another role. What is of a user himself is as it is for users.
func (d *deeds) as(role store.Role, op contractOp, a ask) ask {
	switch {
	case role == store.RoleUser && strings.HasSuffix(op.path, "/currentUser"):
	case role == store.RoleUser:
		a.who, a.header = "", d.codes
	default:
		a.who, a.header = d.org+" "+string(role), nil
	}
	return a
}

// TestFrontDeskChangesNobodyAboveIt: whoever sets an administrator's password, or takes him away, would have his rights. Every write of an
// account that the front desk may do is refused where the account has a role at the APIs.
func TestFrontDeskChangesNobodyAboveIt(t *testing.T) {
	t.Parallel()
	w := newWorld(newCentre(t, withSecrets(t)), "acme", "xyzzy")
	d, tried := newDeeds(w), 0
	boss := d.member("boss", store.RoleReadonly)
	names := map[string]string{"/api/v1/user": fmt.Sprint(boss.id), "/api/v1/user_token": fmt.Sprint(boss.id), "/admin/v1/accounts": fmt.Sprint(boss.id),
		"/api/v1/user/username": boss.name}
	for _, op := range d.ops {
		path, rest, _ := strings.Cut(op.path, "{")
		_, rest, _ = strings.Cut(rest, "}")
		id := names[list(path)]
		if op.method == "GET" || !hole.MatchString(op.path) || id == "" || !d.may(op, "staff") || strings.HasSuffix(rest, "/time/") { // time is no credential
			continue
		}
		tried++
		a := ask{who: d.org + " staff", method: op.method, path: path + id + rest}
		if b := d.body(op.String()); b != nil {
			if a.body = b; properties(op.body())["password"] != nil {
				a.body = with(b, "password", "stolen-Password-1")
			}
		}
		if got := d.do(a); got.status != http.StatusForbidden {
			t.Errorf("%s: status %d: %s", op, got.status, got.text)
		}
	}
	if tried < 11 {
		t.Errorf("only %d operations were tried", tried)
	}
	for name, value := range map[string]any{"password": "stolen-Password-1", "user_class": "gold"} {
		body := map[string]any{"username": boss.name, name: value}
		if got := d.do(ask{who: d.org + " staff", method: "POST", path: "/api/v1/device_app_user_update/", body: body}); got.status != http.StatusForbidden {
			t.Errorf("by an app's update of %s: status %d: %s", name, got.status, got.text)
		}
	}
	d.want(http.StatusOK, ask{method: "GET", path: whoAmI, header: boss.codes}, nil)
}
