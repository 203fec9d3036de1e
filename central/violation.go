package central

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
)

var (
	emailForm = regexp.MustCompile(`^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$`)
	urlForm   = regexp.MustCompile(`^https?://[^\s/?#]+\S*$`)
)

// formats are what the contracts' formats of texts mean.
var formats = openapi3.WithStringFormatValidators(map[string]openapi3.StringFormatValidator{
	"email":        format(func(s string) bool { return s == "" || emailForm.MatchString(s) }),
	"uri":          format(func(s string) bool { return s == "" || urlForm.MatchString(s) }),
	"date":         format(func(s string) bool { _, err := time.Parse(time.DateOnly, s); return err == nil }),
	"date-time":    format(func(s string) bool { _, dateOnly, ok := parseTime(s); return ok && !dateOnly }),
	"date-or-time": format(func(s string) bool { _, _, ok := parseTime(s); return ok }),
})

func format(ok func(string) bool) openapi3.StringFormatValidator {
	return openapi3.NewCallbackValidator(func(s string) error {
		if !ok(s) {
			return errors.New("wrong form")
		}
		return nil
	})
}

// violation is one thing in a value that its schema does not allow.
type violation struct{ *openapi3.SchemaError }

// violations are all of them.
func violations(s *openapi3.Schema, v any) []violation {
	var list []violation
	var add func(err error)
	add = func(err error) {
		var many openapi3.MultiError
		var one *openapi3.SchemaError
		switch {
		case errors.As(err, &many):
			for _, e := range many {
				add(e)
			}
		case errors.As(err, &one):
			list = append(list, violation{one})
		case err != nil: // only what no schema of ours has
			list = append(list, violation{&openapi3.SchemaError{Schema: s, Value: v, Reason: err.Error()}})
		}
	}
	add(s.VisitJSON(v, openapi3.MultiErrors(), formats))
	return list
}

// place is where the value is: wording differs between bodies and queries, as it does between serializers and filters in Django.
type place bool

const (
	inBody  place = false
	inQuery place = true
)

// field is the body's field that the value is in.
func (w violation) field() string {
	if path := w.JSONPointer(); len(path) > 0 {
		return path[0]
	}
	return "non_field_errors"
}

// malformed tells whether something is missing or of another type, and not just out of what is allowed.
func (w violation) malformed() bool {
	switch w.SchemaField {
	case "required", "nullable", "type", "minLength", "properties":
		return true
	case "enum": // which is looked at before the type
		_, isText := w.Value.(string)
		return has(w.Schema, openapi3.TypeString) && !isText
	}
	return w.Value == nil
}

// text says what is wrong in the words of Django REST framework.
func (w violation) text(where place) string {
	text := w.words(where)
	path := w.JSONPointer()
	if len(path) < 2 {
		return text
	}
	if len(path) == 2 {
		return "Item " + path[1] + ": " + text
	}
	return "Item " + path[1] + ", " + strings.Join(path[2:], ", ") + ": " + text
}

func (w violation) words(where place) string {
	s := w.Schema
	if w.Value == nil && w.SchemaField != "required" {
		return "This field may not be null."
	}
	switch w.SchemaField {
	case "required":
		return "This field is required."
	case "type":
		return w.typeWords(where)
	case "minLength":
		if s.MinLength == 1 {
			return "This field may not be blank."
		}
		return fmt.Sprintf("Ensure this field has at least %d characters.", s.MinLength)
	case "maxLength":
		return fmt.Sprintf("Ensure this field has no more than %d characters.", *s.MaxLength)
	case "minimum":
		return "Ensure this value is greater than or equal to " + number(*s.Min) + "."
	case "maximum":
		return "Ensure this value is less than or equal to " + number(*s.Max) + "."
	case "exclusiveMinimum":
		return "Ensure this value is greater than " + number(*s.ExclusiveMin.Value) + "."
	case "minItems":
		return fmt.Sprintf("Ensure this field has at least %d elements.", s.MinItems)
	case "maxItems":
		return fmt.Sprintf("Ensure this field has no more than %d elements.", *s.MaxItems)
	case "uniqueItems":
		return "Ensure that no element is there twice."
	case "enum":
		if where == inQuery {
			return fmt.Sprintf("Select a valid choice. %v is not one of the available choices.", w.Value)
		}
		return fmt.Sprintf("%q is not a valid choice.", fmt.Sprint(w.Value))
	case "pattern":
		if text, ok := s.Extensions["x-message"].(string); ok {
			return text
		}
		return "This value does not match the required pattern."
	case "format":
		return formatWords(s.Format, where)
	case "properties":
		return "There is an unknown field."
	}
	return "This value is not valid."
}

func (w violation) typeWords(where place) string {
	s := w.Schema
	switch {
	case where == inQuery && (has(s, openapi3.TypeInteger) || has(s, openapi3.TypeNumber)):
		return "Enter a number."
	case has(s, openapi3.TypeArray):
		return fmt.Sprintf("Expected a list of items but got type %q.", pythonType(w.Value))
	case has(s, openapi3.TypeObject):
		return fmt.Sprintf("Expected a dictionary of items but got type %q.", pythonType(w.Value))
	case has(s, openapi3.TypeString):
		return "Not a valid string."
	case has(s, openapi3.TypeInteger):
		return "A valid integer is required."
	case has(s, openapi3.TypeNumber):
		return "A valid number is required."
	}
	return "Must be a valid boolean."
}

func formatWords(format string, where place) string {
	switch {
	case where == inQuery && strings.HasPrefix(format, "date"):
		return "Enter a valid date/time."
	case format == "date":
		return "Date has wrong format. Use one of these formats instead: YYYY-MM-DD."
	case strings.HasPrefix(format, "date"):
		return "Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."
	case format == "email":
		return "Enter a valid email address."
	case format == "uri":
		return "Enter a valid URL."
	case format == "int64":
		return "A valid integer is required."
	}
	return "This value has the wrong format."
}

func pythonType(v any) string {
	switch v := v.(type) {
	case string:
		return "str"
	case bool:
		return "bool"
	case map[string]any:
		return "dict"
	case []any:
		return "list"
	case float64:
		if v == float64(int64(v)) {
			return "int"
		}
	}
	return "float"
}

func number(f float64) string {
	b, _ := json.Marshal(f) // a bound of a contract is a number
	return string(b)
}
