package central

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/api/gate"
)

// held is what becomes of a request with this body or query: its fields, or how it is refused.
func held(t *testing.T, name, query, contentType, body string) (*call, *problem) {
	t.Helper()
	all, err := contracts()
	if err != nil {
		t.Fatal(err)
	}
	method, path, _ := strings.Cut(name, " ")
	r := httptest.NewRequest(method, path+query, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	c := &call{Request: r}
	var refused *problem
	if err := all.operations[name].validate(c); err != nil && !errors.As(err, &refused) {
		t.Fatal(err)
	}
	return c, refused
}

func TestBodiesAreHeldToTheContract(t *testing.T) {
	const (
		user    = "POST /api/v1/user"
		log     = "POST /api/v1/device_app_connection_log"
		report  = "POST /api/v1/device_app_test_report"
		profile = "POST /api/v1/aaa_profile"
		token   = "POST /api/v1/user_token"
	)
	field := func(name, text string) map[string][]string { return map[string][]string{name: {text}} }
	tests := map[string]struct {
		endpoint, body string
		status         int
		want           map[string][]string
	}{
		"missing":         {user, `{}`, 400, field("username", "This field is required.")},
		"null":            {user, `{"username":null}`, 400, field("username", "This field may not be null.")},
		"blank":           {user, `{"username":" "}`, 400, field("username", "This field may not be blank.")},
		"too long":        {user, `{"username":"a","klass":"` + strings.Repeat("é", 256) + `"}`, 400, field("klass", "Ensure this field has no more than 255 characters.")},
		"pattern":         {user, `{"username":"a/b"}`, 400, field("username", "Enter a valid username. This value may contain only letters, numbers, and @/./+/-/:/_ characters.")},
		"not text":        {user, `{"username":["a"]}`, 400, field("username", "Not a valid string.")},
		"true for text":   {user, `{"username":true}`, 400, field("username", "Not a valid string.")},
		"null character":  {user, `{"username":"a","klass":"\u0000"}`, 400, field("klass", "Null characters are not allowed.")},
		"email":           {user, `{"username":"a","email":"a@b"}`, 400, field("email", "Enter a valid email address.")},
		"URL":             {user, `{"username":"a","avatar_url":"ftp://x"}`, 400, field("avatar_url", "Enter a valid URL.")},
		"date":            {user, `{"username":"a","expiration":"2026-02-30T00:00:00Z"}`, 400, field("expiration", "Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].")},
		"boolean":         {user, `{"username":"a","is_active":"maybe"}`, 400, field("is_active", "Must be a valid boolean.")},
		"null boolean":    {user, `{"username":"a","is_active":null}`, 400, field("is_active", "This field may not be null.")},
		"no list":         {user, `{"username":"a","profile":{}}`, 400, field("profile", `Expected a list of items but got type "dict".`)},
		"list of numbers": {user, `{"username":"a","profile":[true]}`, 400, field("profile", "Item 0: Not a valid string.")},
		"attribute":       {profile, `{"name":"a","short_name":"a","reply_attribute":[{"attribute":"A","op":"~","value":""}]}`, 400, field("reply_attribute", `Item 0, op: "~" is not a valid choice.`)},
		"half attribute":  {profile, `{"name":"a","short_name":"a","reply_attribute":[{"op":"="}]}`, 400, map[string][]string{"reply_attribute": {"Item 0, attribute: This field is required.", "Item 0, value: This field is required."}}},
		"choice":          {log, `{"network_type":"xx","network_security":"opn"}`, 422, field("network_type", `"xx" is not a valid choice.`)},
		"choice and hole": {log, `{"network_type":"xx"}`, 400, map[string][]string{"network_type": {`"xx" is not a valid choice.`}, "network_security": {"This field is required."}}},
		"below zero":      {log, `{"network_type":"wi","network_security":"opn","inbytes":-1}`, 422, field("inbytes", "Ensure this value is greater than or equal to 0.")},
		"too much":        {log, `{"network_type":"wi","network_security":"opn","inbytes":9007199254740992}`, 422, field("inbytes", "Ensure this value is less than or equal to 9007199254740991.")},
		"no integer":      {log, `{"network_type":"wi","network_security":"opn","inbytes":1.5}`, 400, field("inbytes", "A valid integer is required.")},
		"no number":       {report, `{"network_type":"wi","test_type":"dl","destination":"d","value":"1,5"}`, 400, field("value", "A valid number is required.")},
		"not a number":    {report, `{"network_type":"wi","test_type":"dl","destination":"d","value":"NaN"}`, 400, field("value", "A valid number is required.")},
		"number for list": {token, `{"username":"a","profile":7}`, 400, field("profile", `Expected a list of items but got type "int".`)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, refused := held(t, test.endpoint, "", "application/json", test.body)
			if refused == nil {
				t.Fatal("taken")
			}
			if diff := cmp.Diff(test.want, refused.gate.Errors); diff != "" || refused.status != test.status {
				t.Errorf("status %d, want %d; errors (-want +got):\n%s", refused.status, test.status, diff)
			}
		})
	}
}

// TestBodiesAreTakenLeniently: numbers and booleans in texts, texts in numbers, and nothing in an empty field.
func TestBodiesAreTakenLeniently(t *testing.T) {
	const report = "POST /api/v1/device_app_test_report"
	want := map[string]string{"network_name": `"5"`, "network_type": `"wi"`, "test_type": `"dl"`, "destination": `"d"`, "value": `1.5`, "count": `3`, "unit": "null"}
	for _, body := range []struct{ contentType, text string }{
		{"application/json", `{"network_name":5,"network_type":"wi","test_type":"dl","destination":"d","value":"1.5","count":"3","unit":""}`},
		{"application/json", `{"network_name":"5","network_type":"wi","test_type":"dl","destination":"d","value":1.5,"count":3.0,"unit":null,"unknown":{}}`},
		{"application/json", `{"data":"{\"network_name\":\"5\",\"network_type\":\"wi\",\"test_type\":\"dl\",\"destination\":\"d\",\"value\":1.5,\"count\":3,\"unit\":null}"}`},
		{"application/x-www-form-urlencoded", "network_name=5&network_type=wi&test_type=dl&destination=d&value=1.5&count=3&unit="},
	} {
		c, refused := held(t, report, "", body.contentType, body.text)
		if refused != nil {
			t.Fatalf("%s: %v %v", body.text, refused, refused.gate.Errors)
		}
		got := make(map[string]string)
		for name := range want {
			got[name] = string(c.fields.raw[name])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body.text, diff)
		}
	}
}

// TestBodiesThatReadersReadDifferently are refused.
func TestBodiesThatReadersReadDifferently(t *testing.T) {
	deep := `{"username":"a","x":` + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth) + `}`
	for body, detail := range map[string]string{
		`{"username":"a","username":"b"}`:    `JSON parse error - the name "username" is there twice`,
		`{"username":"a","x":{"y":1,"y":2}}`: `JSON parse error - the name "y" is there twice`,
		"{\"username\":\"\xff\"}":            "JSON parse error - the body is not UTF-8",
		deep:                                 "JSON parse error - the body is nested more than 32 deep",
		`{"username":"a"} 1`:                 "JSON parse error - there is something behind the value",
		`{"data":"{\"username\":1,\"username\":\"a\"}"}`: `JSON parse error - the name "username" is there twice`,
	} {
		_, refused := held(t, "POST /api/v1/user", "", "application/json", body)
		if refused == nil || refused.status != http.StatusBadRequest || refused.gate.Detail != detail {
			t.Errorf("%.60q: %v, want %s", body, refused, detail)
		}
	}
}

func TestQueriesAreHeldToTheContract(t *testing.T) {
	const (
		accounting = "GET /api/v1/aaa_accounting"
		points     = "GET /api/v1/hostspot_access_points"
		locations  = "GET /api/v1/device_app_locations"
	)
	tests := map[string]struct {
		endpoint, query string
		status          int
		want            map[string][]string
	}{
		"bounds never are an error": {accounting, "?limit=x&offset=-1&limit=1e9", 0, nil},
		"ids":                       {accounting, "?user=user_5&location=5&access_point=ap_-1", 0, nil},
		"another's prefix":          {accounting, "?user=loc_5", 400, map[string][]string{"user": {"Enter a number."}}},
		"days":                      {accounting, "?start_date=2024-01-01&end_date=2024-01-01+10:00:00%2B02:00", 0, nil},
		"no day":                    {accounting, "?start_date=2024-01-32", 400, map[string][]string{"start_date": {"Enter a valid date/time."}}},
		"a day of 422":              {points, "?last_change__gte=x", 422, map[string][]string{"last_change__gte": {"Enter a valid date/time."}}},
		"a day of 400":              {locations, "?last_change__gte=x", 400, map[string][]string{"last_change__gte": {"Enter a valid date/time."}}},
		"boolean":                   {points, "?have_coordinates=perhaps", 422, map[string][]string{"have_coordinates": {"Must be a valid boolean."}}},
		"choice":                    {accounting, "?session_status=x", 400, map[string][]string{"session_status": {"Select a valid choice. x is not one of the available choices."}}},
		"unknown":                   {accounting, "?page=x", 0, nil},
		"not UTF-8":                 {accounting, "?x=%ff", 400, nil},
		"null character":            {accounting, "?user=%00", 400, nil},
		"no query":                  {accounting, "?user=%zz", 400, nil},
	}
	for name, test := range tests {
		_, refused := held(t, test.endpoint, test.query, "", "")
		if refused == nil {
			refused = &problem{gate: gate.Error{}}
		}
		if diff := cmp.Diff(test.want, refused.gate.Errors); diff != "" || refused.status != test.status {
			t.Errorf("%s: status %d, want %d; errors (-want +got):\n%s", name, refused.status, test.status, diff)
		}
	}
}
