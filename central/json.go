package central

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

const maxDepth = 32 // of objects and lists in a body

// sound tells whether text is one JSON value that all readers read alike: UTF-8, no name twice in an object, not nested without end.
func sound(text []byte) error {
	if !utf8.Valid(text) {
		return errors.New("the body is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := soundValue(dec, 0); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something behind the value")
	}
	return nil
}

func soundValue(dec *json.Decoder, depth int) error {
	token, err := dec.Token()
	if err != nil {
		return err
	}
	opening, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	if depth == maxDepth {
		return fmt.Errorf("the body is nested more than %d deep", maxDepth)
	}
	names := make(map[any]bool)
	for dec.More() {
		if opening == '{' {
			name, err := dec.Token()
			if err != nil {
				return err
			}
			if names[name] {
				return fmt.Errorf("the name %q is there twice", name)
			}
			names[name] = true
		}
		if err := soundValue(dec, depth+1); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

// decode reads a value that is sound, with numbers as they are written.
func decode(raw []byte) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return nil, malformed(http.StatusBadRequest, "JSON parse error - "+err.Error())
	}
	return v, nil
}

func encode(v any) json.RawMessage {
	b, _ := json.Marshal(v) // it comes from decode
	return b
}

// clean tells whether every database can hold the text.
func clean(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }

// cleanValue tells it of all texts of a value.
func cleanValue(v any) bool {
	switch v := v.(type) {
	case string:
		return clean(v)
	case []any:
		for _, item := range v {
			if !cleanValue(item) {
				return false
			}
		}
	case map[string]any:
		for name, item := range v {
			if !clean(name) || !cleanValue(item) {
				return false
			}
		}
	}
	return true
}

// parseQuery reads a query that every reader reads alike.
func parseQuery(raw string) (url.Values, error) {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, malformed(http.StatusBadRequest, "Malformed query string.")
	}
	for name, values := range query {
		if !clean(name) || !clean(strings.Join(values, "")) {
			return nil, malformed(http.StatusBadRequest, "The query string is not UTF-8 without null characters.")
		}
	}
	return query, nil
}
