package gate

import "encoding/json"

// CodeDuplicate is the code of an Error about a value that must be unique and is not.
const CodeDuplicate = "duplicate"

// Error is the body of every answer that is not 2xx, except AuthFail. Errors is there for 400 and 422 and stands twice
// on the wire: below "errors" and, as Django REST framework has it, at the top level.
type Error struct {
	Detail string
	Code   string // CodeDuplicate or empty
	Field  string // the field that Code is about
	Errors map[string][]string
}

// MarshalJSON implements json.Marshaler.
func (e Error) MarshalJSON() ([]byte, error) {
	body := make(map[string]any, len(e.Errors)+4)
	for field, texts := range e.Errors {
		body[field] = texts
	}
	body["detail"] = e.Detail
	if e.Code != "" {
		body["code"], body["field"] = e.Code, e.Field
	}
	if e.Errors != nil {
		body["errors"] = e.Errors
	}
	return json.Marshal(body)
}
