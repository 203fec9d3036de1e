package portal

import (
	"encoding/json"
	"errors"
	"math"
	"mime"
	"net/http"
	"strings"
	"time"

	"gatehouse/api/gate"
)

// read takes the body in whichever form it comes (gate-api C11): plain JSON, {"data": "JSON"}, {"data": {…}}, or a form with these. The
// detail is empty when it could.
func (c *gateCall) read() (status int, detail string) {
	c.Body = http.MaxBytesReader(c.ResponseWriter, c.Body, maxForm)
	kind, _, _ := mime.ParseMediaType(c.Request.Header.Get("Content-Type"))
	switch kind {
	case "application/x-www-form-urlencoded":
		if c.ParseForm() != nil {
			return http.StatusBadRequest, "Form parse error."
		}
		c.fields = map[string]any{}
		for name, values := range c.PostForm {
			if v := values[len(values)-1]; v != "" {
				c.fields[name] = v
			}
		}
	case "", "application/json":
		var tooLarge *http.MaxBytesError
		d := json.NewDecoder(c.Body)
		d.UseNumber()
		if err := d.Decode(&c.fields); errors.As(err, &tooLarge) {
			return http.StatusRequestEntityTooLarge, "Request body is too large."
		} else if err != nil || d.More() || c.fields == nil {
			return http.StatusBadRequest, "JSON parse error: an object is expected."
		}
	default:
		return http.StatusUnsupportedMediaType, "Unsupported media type in request."
	}
	switch data := c.fields["data"].(type) {
	case map[string]any:
		c.fields = data
	case string:
		d := json.NewDecoder(strings.NewReader(data))
		d.UseNumber()
		c.fields = nil
		if err := d.Decode(&c.fields); err != nil || c.fields == nil {
			return http.StatusBadRequest, "JSON parse error in data: an object is expected."
		}
	}
	return 0, ""
}

// text is a field with text, nil where it is absent or cannot be. A number counts as its digits.
func (c *gateCall) text(name string, required bool) *string {
	v, given := c.fields[name]
	switch v := v.(type) {
	case string:
		if required && strings.TrimSpace(v) == "" {
			c.errs[name] = []string{"This field may not be blank."}
		}
		if strings.ContainsRune(v, 0) {
			c.errs[name] = []string{"Null characters are not allowed."}
		}
		return &v
	case json.Number:
		return new(v.String())
	case nil:
		switch {
		case required && given:
			c.errs[name] = []string{"This field may not be null."}
		case required:
			c.errs[name] = []string{"This field is required."}
		}
	default:
		c.errs[name] = []string{"Not a valid string."}
	}
	return nil
}

// seconds is a field with a time, which may be absent.
func (c *gateCall) seconds(name string) *int64 {
	text := c.text(name, false)
	if text == nil {
		if c.errs[name] != nil {
			c.errs[name] = []string{"A valid integer is required."}
		}
		return nil
	}
	n, err := json.Number(strings.TrimSpace(*text)).Int64()
	switch {
	case err != nil:
		c.errs[name] = []string{"A valid integer is required."}
	case n < 0:
		c.unfit[name] = []string{"Ensure this value is greater than or equal to 0."}
	case n > math.MaxInt64/int64(time.Second):
		c.unfit[name] = []string{"Ensure this value is less than or equal to 9223372036."}
	}
	return &n
}

// wrong answers what was found wrong with the fields (gate-api C12): what is missing or of another type before what may not be.
func (c *gateCall) wrong() bool {
	switch {
	case len(c.errs) > 0:
		c.answer(http.StatusBadRequest, gate.Error{Detail: "Invalid input.", Errors: c.errs})
	case len(c.unfit) > 0:
		c.answer(http.StatusUnprocessableEntity, gate.Error{Detail: "Invalid input.", Errors: c.unfit})
	default:
		return false
	}
	return true
}
