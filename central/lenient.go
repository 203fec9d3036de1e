package central

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// integerForm is what Django REST framework takes for an integer, in a number or in a text.
var integerForm = regexp.MustCompile(`^([+-]?\d+)(?:\.0*)?$`)

// taken is a value as Django REST framework takes it: numbers and booleans in a text, a text in a number, JSON in a text. form
// tells that it came as a form field, where everything is text and nothing is an empty one. What cannot be taken stays as it is.
func taken(s *openapi3.Schema, v any, form bool) any {
	switch v := v.(type) {
	case string:
		return takenText(s, v, form)
	case json.Number:
		return takenNumber(s, v)
	case []any:
		if s.Items != nil {
			for i := range v {
				v[i] = taken(s.Items.Value, v[i], form)
			}
		}
	case map[string]any:
		for name, property := range s.Properties {
			if value, ok := v[name]; ok {
				v[name] = taken(property.Value, value, form)
			}
		}
	}
	return v
}

func takenText(s *openapi3.Schema, text string, form bool) any {
	free := has(s, openapi3.TypeString) && len(s.Enum) == 0 && !strings.HasPrefix(s.Format, "date")
	switch {
	case text == "" && has(s, openapi3.TypeNull) && !free:
		return nil
	case has(s, openapi3.TypeArray):
		return takenList(s, text, form)
	case has(s, openapi3.TypeString):
		if trim, _ := s.Extensions["x-trim"].(bool); trim {
			return strings.TrimSpace(text)
		}
		return text
	case has(s, openapi3.TypeInteger):
		if prefix, ok := s.Extensions["x-prefix"].(string); ok {
			text = strings.TrimPrefix(text, prefix+"_")
		}
		return takenNumber(s, json.Number(strings.TrimSpace(text)))
	case has(s, openapi3.TypeNumber):
		if n := json.Number(strings.TrimSpace(text)); isNumber(n) {
			return n
		}
	case has(s, openapi3.TypeBoolean):
		if b, ok := truthOf(text); ok {
			return b
		}
	}
	return text
}

func takenList(s *openapi3.Schema, text string, form bool) any {
	if trimmed := strings.TrimSpace(text); strings.HasPrefix(trimmed, "[") || has(s, openapi3.TypeObject) && strings.HasPrefix(trimmed, "{") {
		if v, err := decode([]byte(text)); err == nil {
			return taken(s, v, form)
		}
	}
	if form {
		return []any{text}
	}
	return text
}

func takenNumber(s *openapi3.Schema, n json.Number) any {
	switch {
	case has(s, openapi3.TypeInteger):
		m := integerForm.FindStringSubmatch(n.String())
		if m == nil {
			return n.String()
		}
		i, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil {
			return n.String()
		}
		return json.Number(strconv.FormatInt(i, 10))
	case has(s, openapi3.TypeString):
		return n.String()
	case has(s, openapi3.TypeBoolean):
		if b, ok := truthOf(n.String()); ok {
			return b
		}
	}
	return n
}

// isNumber tells whether it is one as JSON writes it and not beyond what 64 bits hold.
func isNumber(n json.Number) bool {
	_, err := n.Float64()
	return err == nil && json.Valid([]byte(n))
}

func truthOf(text string) (value, ok bool) {
	switch strings.ToLower(text) {
	case "true", "t", "yes", "y", "on", "1":
		return true, true
	case "false", "f", "no", "n", "off", "0":
		return false, true
	}
	return false, false
}

func has(s *openapi3.Schema, kind string) bool {
	return s.Type != nil && slices.Contains(*s.Type, kind)
}
