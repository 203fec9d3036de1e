package central

import (
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"

	"gatehouse/api/openapi"
)

// operation is what a contract says about the requests of one endpoint.
type operation struct {
	id          string
	query, path openapi3.Parameters
	body        *openapi3.Schema // of a JSON object; nil: there is none, or the handler reads what is not JSON
	forms       bool             // the body may also come as a form, and numbers as text: as Django REST framework takes it
	invalid     int              // status for values of the right type that are not allowed
}

// contractSet is what the documents say.
type contractSet struct {
	operations map[string]*operation // by endpoint
	json       map[string][]byte     // the documents, by file name
}

// contracts reads the documents once: they are part of the program and do not change.
var contracts = sync.OnceValues(func() (contractSet, error) {
	set := contractSet{make(map[string]*operation), make(map[string][]byte)}
	names, err := fs.Glob(openapi.Files(), "*.yaml")
	if err != nil {
		return set, err
	}
	for _, name := range names {
		text, err := fs.ReadFile(openapi.Files(), name)
		if err != nil {
			return set, err
		}
		doc, err := openapi3.NewLoader().LoadFromData(text)
		if err != nil {
			return set, fmt.Errorf("reading contract %s: %w", name, err)
		}
		if set.json[strings.TrimSuffix(name, ".yaml")+".json"], err = doc.MarshalJSON(); err != nil {
			return set, fmt.Errorf("reading contract %s: %w", name, err)
		}
		base := strings.TrimSuffix(doc.Servers[0].URL, "/")
		for path, item := range doc.Paths.Map() {
			for method, op := range item.Operations() {
				o := newOperation(item.Parameters, op)
				set.operations[endpoint(method, base+path)] = o
				if alias, ok := item.Extensions["x-alias"].(string); ok {
					set.operations[endpoint(method, base+alias)] = o
				}
			}
		}
	}
	return set, nil
})

// endpoint names an operation; a slash at the end makes no difference.
func endpoint(method, path string) string { return method + " " + strings.TrimSuffix(path, "/") }

func newOperation(shared openapi3.Parameters, op *openapi3.Operation) *operation {
	o := &operation{id: op.OperationID, invalid: http.StatusBadRequest}
	if status, ok := op.Extensions["x-invalid-status"].(float64); ok {
		o.invalid = int(status)
	}
	for _, list := range []openapi3.Parameters{shared, op.Parameters} {
		for _, p := range list {
			switch p.Value.In {
			case openapi3.ParameterInQuery:
				o.query = append(o.query, p)
			case openapi3.ParameterInPath:
				o.path = append(o.path, p)
			}
		}
	}
	if op.RequestBody != nil {
		content := op.RequestBody.Value.Content
		o.forms = content["application/x-www-form-urlencoded"] != nil
		if media := content["application/json"]; media != nil {
			o.body = merged(media.Schema.Value)
		}
	}
	return o
}

// merged is the schema with what it takes over from others (allOf) in it.
func merged(s *openapi3.Schema) *openapi3.Schema {
	if len(s.AllOf) == 0 {
		return s
	}
	all := openapi3.NewObjectSchema()
	all.Required = s.Required
	all.AdditionalProperties = s.AdditionalProperties
	for _, part := range s.AllOf {
		p := merged(part.Value)
		for name, property := range p.Properties {
			all.Properties[name] = property
		}
		all.Required = append(all.Required, p.Required...)
		if p.AdditionalProperties.Has != nil {
			all.AdditionalProperties = p.AdditionalProperties
		}
	}
	for name, property := range s.Properties {
		all.Properties[name] = property
	}
	return all
}

// validate holds a request against its operation and reads the body's fields. What is wrong with the path is a 404.
func (o *operation) validate(c *call) error {
	for _, p := range o.path {
		schema, text := p.Value.Schema.Value, c.PathValue(p.Value.Name)
		if !clean(text) || len(violations(schema, taken(schema, text, true))) > 0 {
			return notFound()
		}
	}
	if err := o.validateQuery(c); err != nil {
		return err
	}
	if o.body == nil {
		return nil
	}
	return o.validateBody(c)
}

func (o *operation) validateQuery(c *call) error {
	query, err := parseQuery(c.URL.RawQuery)
	if err != nil {
		return err
	}
	errs := make(map[string][]string)
	for _, p := range o.query {
		schema := p.Value.Schema.Value
		for _, text := range query[p.Value.Name] {
			if lenient, _ := schema.Extensions["x-lenient"].(bool); lenient || text == "" {
				continue
			}
			for _, wrong := range violations(schema, taken(schema, text, true)) {
				errs[p.Value.Name] = append(errs[p.Value.Name], wrong.text(inQuery))
			}
		}
	}
	if len(errs) == 0 {
		return nil
	}
	p := invalid(errs)
	p.status = o.invalid
	return p
}

func (o *operation) validateBody(c *call) error {
	f, err := c.readBody(o.forms)
	if err != nil {
		return err
	}
	malformed, err := o.hold(f)
	if err != nil {
		return err
	}
	if c.fields = f; len(f.errs) == 0 {
		return nil
	}
	p := invalid(f.errs)
	if !malformed {
		p.status = o.invalid
	}
	return p
}

// hold holds fields to the schema of the body, gives them the types that it has, and notes what is wrong. malformed tells that
// something is missing or of another type, and not just out of what is allowed.
func (o *operation) hold(f *fields) (malformed bool, err error) {
	object := make(map[string]any, len(f.raw))
	for name, raw := range f.raw {
		property := o.body.Properties[name]
		if property == nil {
			if known := o.body.AdditionalProperties.Has; known != nil && !*known {
				f.wrong(name, "There is no such field.")
				malformed = true
			}
			continue
		}
		value, err := decode(raw)
		if err != nil {
			return false, err
		}
		if o.forms {
			value = taken(property.Value, value, f.form)
		}
		if !cleanValue(value) {
			f.wrong(name, "Null characters are not allowed.")
			malformed = true
		}
		object[name], f.raw[name] = value, encode(value)
	}
	for _, wrong := range violations(o.body, object) {
		f.wrong(wrong.field(), wrong.text(inBody))
		malformed = malformed || wrong.malformed()
	}
	return malformed, nil
}
