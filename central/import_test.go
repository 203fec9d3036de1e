package central_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/central"
)

// importFile imports users into acme and returns what became of it in one line per thing.
func (c *centre) importFile(text string, change ...func(*central.ImportOptions)) (central.ImportResult, string) {
	c.t.Helper()
	o := central.ImportOptions{Organization: 1, Existing: central.ExistingError}
	for _, f := range change {
		f(&o)
	}
	result, err := central.ImportUsers(c.t.Context(), c.store, strings.NewReader(text), o)
	if err != nil {
		return result, "error: " + err.Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d made, %d changed, %d left\n", result.Created, result.Updated, result.Skipped)
	for _, f := range result.Faults {
		fmt.Fprintln(&b, f.Error())
	}
	return result, b.String()
}

// usernames are those of acme.
func (c *centre) usernames() string {
	c.t.Helper()
	var page struct{ Results []struct{ Username string } }
	c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: "/api/v1/user/?limit=1000"}, &page)
	var list []string
	for _, u := range page.Results {
		list = append(list, u.Username)
	}
	return strings.Join(list, " ")
}

func partly(o *central.ImportOptions) { o.Continue = true }

func TestImportFiles(t *testing.T) {
	const three = "3 made, 0 changed, 0 left\n"
	tests := map[string]struct{ text, want string }{
		"plain":             {"username,email\nann,ann@example.org\nbob,\ncid,c@example.org\n", three},
		"as Excel writes":   {"\xef\xbb\xbfUsername;E-Mail;First Name\r\nann;;Ann\r\nbob;b@example.org;\"Bob; the \"\"second\"\"\"\r\ncid;;\r\n;;\r\n", "error: column 2 is \"E-Mail\""},
		"with a sep line":   {"sep=;\r\nusername;first_name\r\nann;a,b\r\nbob;c\r\ncid;d", three},
		"tabs":              {"username\tfirst_name\nann\tx, y; z\nbob\t\ncid\t\n", three},
		"lines in a value":  {"username,description\nann,\"one\ntwo\"\nbob,x\ncid,y\n", three},
		"short rows":        {"username,email\nann\nbob\ncid\n", three},
		"empty":             {"", "error: the file is empty"},
		"UTF-16":            {"\xff\xfeu\x00", "error: the file is UTF-16"},
		"no username":       {"email\na@example.org\n", "error: no column is username"},
		"a column twice":    {"username,username\n", "error: column 2 is username for the second time"},
		"latin 1":           {"username,first_name\nann,Zo\xeb\n", "0 made, 0 changed, 0 left\nline 2, column 2 (first_name): not UTF-8"},
		"comma in a value":  {"username,first_name\nann,A,B\n", "0 made, 0 changed, 0 left\nline 2: 3 values and 2 columns"},
		"quote in a value":  {"username,first_name\nann,5\" tall\nbob,x\n", "0 made, 0 changed, 0 left\nline 2: bare \" in non-quoted-field"},
		"twice in the file": {"username\nann\nbob\nann\n", "0 made, 0 changed, 0 left\nline 4, column 1 (username): ann is in line 2 already"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCentre(t)
			if _, got := c.importFile(test.text); !strings.HasPrefix(got, test.want) {
				t.Errorf("got\n%s want\n%s", got, test.want)
			} else if want := map[bool]string{true: "ann bob cid"}[test.want == three]; c.usernames() != want {
				t.Errorf("users %q, want %q", c.usernames(), want)
			}
		})
	}
}

// TestImportFaults has every kind of wrong value in one file: each is told with its line and column, and not even the right
// rows are written unless that is asked for.
func TestImportFaults(t *testing.T) {
	c := newCentre(t)
	c.profile("acme", "gold")
	c.profile("globex", "theirs")
	c.user("acme", "old", "")
	const text = "username;email;is_active;expiration;profile;password_hash\n" +
		"ann;ann@example.org;yes;2027-01-31;gold;\n" +
		";x@example.org;;;;\n" +
		"b b;not mail;perhaps;soon;;\n" +
		"cid;;;;theirs;\n" +
		"old;;;;;\n" +
		"dan;;;;;5f4dcc3b5aa765d61d8327deb882cf99\n" +
		"eve;;no;2027-01-31T10:00:00+02:00;;\n"
	const faults = `line 3, column 1 (username): This field is required.
line 4, column 1 (username): Enter a valid username. This value may contain only letters, numbers, and @/./+/-/:/_ characters.
line 4, column 2 (email): Enter a valid email address.
line 4, column 4 (expiration): Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].
line 4, column 3 (is_active): Must be a valid boolean.
line 7, column 6 (password_hash): not a password hash of a form that is known: argon2id, bcrypt or pbkdf2_sha256, as Django and others write them
`
	const inDatabase = "line 5, column 5 (profile): Object with short_name=theirs does not exist.\n" +
		"line 6, column 1 (username): old is there already: say --existing skip or --existing update\n"
	if _, got := c.importFile(text); got != "0 made, 0 changed, 0 left\n"+faults {
		t.Errorf("faults (-want +got):\n%s", cmp.Diff("0 made, 0 changed, 0 left\n"+faults, got))
	}
	result, got := c.importFile(text, partly)
	if want := "2 made, 0 changed, 0 left\n" + faults + inDatabase; got != want {
		t.Errorf("with --continue (-want +got):\n%s", cmp.Diff(want, got))
	}
	if got := c.usernames(); got != "old ann eve" {
		t.Errorf("users %q", got)
	}
	var ann struct {
		Expiration string
		Profile    []string
	}
	c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: "/api/v1/user/username/ann/"}, &ann)
	if ann.Expiration != "2027-01-31T23:59:59Z" || !cmp.Equal(ann.Profile, []string{"gold"}) {
		t.Errorf("ann is %+v", ann)
	}
	var report bytes.Buffer
	if err := result.WriteReport(&report); err != nil {
		t.Fatal(err)
	}
	if _, again := c.importFile(report.String(), partly); strings.Count(again, "column 3 (username)") != 3 || !strings.HasPrefix(again, "0 made") {
		t.Errorf("the report, imported as it is:\n%s", again)
	}
	mended := strings.NewReplacer(";;x@", ";fay;x@", "b b;not mail;perhaps;soon", "gus;;;", "theirs", "gold", ";old;", ";hal;",
		"5f4dcc3b5aa765d61d8327deb882cf99", "").Replace(report.String())
	if _, got := c.importFile(mended, partly); got != "5 made, 0 changed, 0 left\n" {
		t.Errorf("the mended report:\n%s\n%s", mended, got)
	}
}

func TestImportExisting(t *testing.T) {
	c := newCentre(t)
	c.user("acme", "ann", "")
	const text = "username,Vorname,Zimmer,password\nann,Anna,7,new-word\nbob,Bob,8,\n"
	columns := func(o *central.ImportOptions) {
		o.Columns = map[string]string{"Vorname": "first_name", "Zimmer": ""}
	}
	mode := func(m string) func(*central.ImportOptions) { return func(o *central.ImportOptions) { o.Existing = m } }
	dry := func(o *central.ImportOptions) { o.DryRun = true }
	for _, step := range []struct {
		options []func(*central.ImportOptions)
		want    string
		users   string
	}{
		{nil, "error: column 2 is \"Vorname\", and none of username, ", "ann"},
		{[]func(*central.ImportOptions){columns}, "0 made, 0 changed, 0 left\nline 2, column 1 (username): ann is there already", "ann"},
		{[]func(*central.ImportOptions){columns, mode("skip"), dry}, "1 made, 0 changed, 1 left\n", "ann"},
		{[]func(*central.ImportOptions){columns, mode("skip")}, "1 made, 0 changed, 1 left\n", "ann bob"},
		{[]func(*central.ImportOptions){columns, mode("skip")}, "0 made, 0 changed, 2 left\n", "ann bob"},
		{[]func(*central.ImportOptions){columns, mode("update"), partly}, "0 made, 2 changed, 0 left\n", "ann bob"},
	} {
		if _, got := c.importFile(text, step.options...); !strings.HasPrefix(got, step.want) || c.usernames() != step.users {
			t.Errorf("got %q, want %q; users %q", got, step.want, c.usernames())
		}
	}
	if a := c.login("acme edge", "ann", "new-word"); !a.Authenticated {
		t.Error("ann cannot log in with the password of the file")
	}
}

func TestImportVouchers(t *testing.T) {
	c := newCentre(t)
	c.want(http.StatusCreated, ask{who: "acme admin", method: "POST", path: "/admin/v1/plans/", body: map[string]any{"name": "Day"}}, nil)
	codes, _ := central.NewVouchers(4, nil, nil)
	read := func(text string, o central.ImportOptions) string {
		t.Helper()
		o.Organization = 1
		result, err := central.VoucherImport{Plan: "Day", Note: "moved"}.ImportVouchers(t.Context(), c.store, strings.NewReader(text), o)
		if err != nil {
			return "error: " + err.Error()
		}
		got := fmt.Sprintf("%d made, %d left", result.Created, result.Skipped)
		for _, f := range result.Faults {
			got += "\n" + f.Error()
		}
		return got
	}
	wrong := "code;plan\n" + codes[0] + ";x\n" + strings.ToLower(codes[0]) + ";x\n12345678;x\n"
	plan := map[string]string{"plan": ""}
	for _, step := range []struct {
		text string
		o    central.ImportOptions
		want string
	}{
		{wrong, central.ImportOptions{Existing: "error"}, "error: column 2 is \"plan\""},
		{wrong, central.ImportOptions{Existing: "error", Columns: plan}, "0 made, 0 left\nline 3, column 1 (code): the code of line 2 once more\nline 4, column 1 (code): not a voucher code"},
		{wrong, central.ImportOptions{Existing: "error", Columns: plan, Continue: true, DryRun: true}, "1 made, 0 left\nline 3"},
		{wrong, central.ImportOptions{Existing: "error", Columns: plan, Continue: true}, "1 made, 0 left\nline 3"},
		{"code\n" + strings.Join(codes, "\n"), central.ImportOptions{Existing: "error"}, "0 made, 0 left\nline 2, column 1 (code): there is a voucher with this code"},
		{"code\n" + strings.Join(codes, "\n"), central.ImportOptions{Existing: "skip"}, "3 made, 1 left"},
	} {
		if got := read(step.text, step.o); !strings.HasPrefix(got, step.want) {
			t.Errorf("got %s, want %s", got, step.want)
		}
	}
	list := c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: "/admin/v1/voucher_batches/"}, nil).text
	if !strings.Contains(list, `"quantity":3`) || !strings.Contains(list, `"note":"moved"`) {
		t.Errorf("batches %s", list)
	}
}

func TestImportIntoAFullOrganization(t *testing.T) {
	c := newCentre(t)
	c.organization("acme", func(o *organization) { o.MaxUsers = new(int64(1)) })
	want := "0 made, 0 changed, 0 left\nline 3, column 1 (username): The organisation has reached its limit of 1 users."
	if _, got := c.importFile("username\nann\nbob\n"); !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s want\n%s", got, want)
	}
}
