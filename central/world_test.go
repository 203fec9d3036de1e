package central_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// contractOp is one operation of the documents.
type contractOp struct {
	method, path string // whole, with holes
	*openapi3.Operation
	shared openapi3.Parameters
}

func (o contractOp) String() string { return o.method + " " + o.path }

// body is the schema of the JSON that the operation takes, nil when it takes none.
func (o contractOp) body() *openapi3.Schema {
	if o.RequestBody == nil {
		return nil
	}
	content := o.RequestBody.Value.Content
	media := cmp.Or(content["application/json"], content[ndjson])
	if media == nil {
		return nil
	}
	return media.Schema.Value
}

const ndjson = "application/x-ndjson"

// lines tells whether the operation takes JSON objects line by line, and answers for each.
func (o contractOp) lines() bool {
	return o.RequestBody != nil && o.RequestBody.Value.Content[ndjson] != nil
}

// answer is the schema of the answer with a status, an empty one when there is none.
func (o contractOp) answer(status string) *openapi3.Schema {
	if response := o.Responses.Value(status); response != nil {
		if media := response.Value.Content["application/json"]; media != nil {
			return media.Schema.Value
		}
	}
	return openapi3.NewSchema()
}

// parameters are those in a place.
func (o contractOp) parameters(in string) (list []*openapi3.Parameter) {
	for _, p := range slices.Concat(o.shared, o.Parameters) {
		if p.Value.In == in {
			list = append(list, p.Value)
		}
	}
	return list
}

// operations are all of all documents, in an order that makes things before what hangs on them. TestRoutesAndContracts sees that no API has others.
func operations(t testing.TB) []contractOp {
	t.Helper()
	var list []contractOp
	for _, doc := range documents(t) {
		for path, item := range doc.Paths.Map() {
			for method, op := range item.Operations() {
				list = append(list, contractOp{method, strings.TrimSuffix(doc.Servers[0].URL, "/") + path, op, item.Parameters})
			}
		}
	}
	slices.SortFunc(list, func(a, b contractOp) int { return strings.Compare(a.path+" "+a.method, b.path+" "+b.method) })
	return list
}

// properties are the fields of an object, also those that it takes over from others.
func properties(s *openapi3.Schema) map[string]*openapi3.Schema {
	all := make(map[string]*openapi3.Schema)
	for _, part := range s.AllOf {
		maps.Copy(all, properties(part.Value))
	}
	for name, property := range s.Properties {
		all[name] = property.Value
	}
	return all
}

var hole = regexp.MustCompile(`{(\w+)}`)

// world is an organisation that has something of everything that the contracts let it make.
type world struct {
	*stage
	mark string
	ops  []contractOp
	made map[string]string // ids, by the path of their list
}

func newWorld(c *centre, org, mark string) *world {
	w := &world{stage: stageOf(c, org, mark), mark: mark, ops: operations(c.t), made: make(map[string]string)}
	w.n = 1000 * int(c.worlds.Add(1))
	var own struct{ ID int64 }
	w.want(http.StatusOK, ask{who: w.who(), method: "GET", path: "/api/v1/me/organization/"}, &own)
	w.made["organization"] = fmt.Sprint(own.ID)
	w.freshUserToken(row{})
	w.made["/api/auth-tokens"], w.made["/api/v2/userTokens/userCode"] = w.ids["user_id"], w.ids["userCode"]
	w.made["/api/v1/user/username"], w.made["/api/v1/aaa_accounting"] = w.ann, w.ids["radacctid"]
	for range 3 { // what hangs on something else comes in a later round
		for _, op := range w.ops {
			if op.method == "POST" && op.body() != nil && !hole.MatchString(op.path) && !strings.HasPrefix(op.path, "/edge/") && w.made[list(op.path)] == "" {
				w.note(list(op.path), w.do(ask{who: w.who(), method: op.method, path: op.path, body: w.object(op.body())}))
			}
		}
	}
	for _, op := range w.ops {
		if made, ok := op.answer("201").Properties["id"]; ok && made != nil && !hole.MatchString(op.path) && w.made[list(op.path)] == "" {
			a := ask{who: w.who(), method: op.method, path: op.path, body: w.object(op.body())}
			w.t.Errorf("this test cannot make what %s makes: %v is answered %s", op, a.body, w.do(a).text)
		}
	}
	w.do(ask{who: w.who(), method: "POST", path: "/admin/v1/sessions/" + w.ids["radacctid"] + "/disconnect/"})
	w.made["/admin/v1/persons"], w.made["/admin/v1/settings/oidc"] = w.made["/api/v1/user"], "idp"
	for _, op := range w.ops {
		if op.method == "PUT" && op.settings() {
			w.want(http.StatusCreated, ask{who: w.who(), method: "PUT", path: w.at(op), body: w.object(op.body())}, nil)
		}
	}
	for _, op := range w.ops { // what is not made by a POST
		path, _, item := strings.Cut(op.path, "{")
		if item && w.made[list(path)] == "" {
			var page struct{ Results []json.RawMessage }
			if got := w.do(ask{who: w.who(), method: "GET", path: path}); json.Unmarshal([]byte(got.text), &page) == nil && len(page.Results) > 0 {
				w.note(list(path), reply{status: 201, text: string(page.Results[0])})
			}
		}
	}
	return w
}

// settings tells whether the operation is about settings, of which an organisation has those of its own.
func (o contractOp) settings() bool { return strings.HasPrefix(o.path, "/admin/v1/settings/") }

// tries tells whether the operation asks another server, which the settings name.
func (o contractOp) tries() bool { return o.settings() && strings.HasSuffix(o.path, "/test/") }

// readable tells whether the operation shows what a world has. An erasure shows only once it has begun.
func (o contractOp) readable() bool {
	return o.method == "GET" && !strings.HasPrefix(o.path, "/edge/") && !strings.HasSuffix(o.path, "/erase/")
}

// list is the path of a list without its slash.
func list(path string) string { return strings.TrimSuffix(path, "/") }

func (w *world) note(path string, got reply) {
	var made struct{ ID any }
	if got.status == http.StatusCreated && json.Unmarshal([]byte(got.text), &made) == nil && made.ID != nil {
		if n, ok := made.ID.(float64); ok {
			made.ID = int64(n)
		}
		w.made[path] = fmt.Sprint(made.ID)
	}
}

// at is the operation's path with this world's ids in it.
func (w *world) at(op contractOp) string {
	path := op.path
	for {
		at := hole.FindStringIndex(path)
		if at == nil {
			return path
		}
		id := w.made[list(path[:at[0]])]
		switch {
		case path[at[0]:at[1]] == "{organization}":
			id = w.made["organization"]
		case id == "":
			id = "999999"
		}
		path = path[:at[0]] + id + path[at[1]:]
	}
}

// object is a body that the schema allows, of fields that this test knows how to fill, and those that must be there.
func (w *world) object(s *openapi3.Schema) map[string]any {
	w.n++
	known := samples(w.n)
	body := make(map[string]any)
	required := slices.Clone(s.Required)
	for _, part := range s.AllOf {
		required = append(required, part.Value.Required...)
	}
	for name, property := range properties(s) {
		v, ok := known[name]
		switch ref := w.reference(name); {
		case name == "organization" || name == "profile" || name == "password" && !slices.Contains(required, name):
			continue
		case ref != "" && property.Type.Permits("integer"):
			v = json.Number(ref)
		case ok && property.VisitJSON(plain(v)) == nil:
		case slices.Contains(required, name):
			v = w.value(name, property)
		default:
			continue
		}
		if text, ok := v.(string); ok && len(property.Enum) == 0 && property.VisitJSON(text+w.mark) == nil && property.Format == "" && !coded(name) {
			v = text + w.mark
		}
		body[name] = v
	}
	return body
}

// coded tells whether a text has a form that the contract does not name.
func coded(name string) bool {
	return slices.Contains([]string{"callingstationid", "network", "host", "password", "latitude", "longitude", "mac_addr", "mac", "ap_mac", "ip", "imei", "bssid", "birthday"}, name)
}

// reference is the id of what a field of this name points at.
func (w *world) reference(name string) string {
	name = strings.TrimSuffix(name, "_id")
	if name == "parent" {
		return w.made["/api/v1/user"]
	}
	for _, path := range slices.Sorted(maps.Keys(w.made)) {
		if strings.HasSuffix(path, "/"+name+"s") || strings.HasSuffix(path, "_"+name+"es") {
			return w.made[path]
		}
	}
	return ""
}

// value is some value that the schema allows.
func (w *world) value(name string, s *openapi3.Schema) any {
	switch {
	case len(s.Enum) > 0:
		return s.Enum[0]
	case s.Type.Permits("string") && s.Format == "date-time":
		return "2031-01-01T00:00:00Z"
	case s.Type.Permits("string") && s.Format == "uri":
		return "https://127.0.0.1:9/" + w.mark
	case s.Type.Permits("string") && s.Format == "email":
		return "guest@example.org"
	case s.Type.Permits("string"):
		for _, v := range []string{fmt.Sprintf("%s-%d", name, w.n), "+15550100", "02:00:5E:00:00:01", "192.0.2.1"} {
			if s.VisitJSON(v) == nil {
				return v
			}
		}
		return strings.Repeat("a", int(s.MinLength))
	case s.Type.Permits("integer") || s.Type.Permits("number"):
		if s.Min != nil {
			return *s.Min
		}
		return 1
	case s.Type.Permits("boolean"):
		return true
	case s.Type.Permits("array"):
		return []any{w.value(name, s.Items.Value)}
	}
	return w.object(s)
}

// plain is a value as it looks after having been JSON.
func plain(v any) (p any) {
	b, _ := json.Marshal(v)
	_ = json.Unmarshal(b, &p)
	return p
}
