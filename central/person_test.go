package central_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/api/admin"
)

// TestPersons exports and erases somebody by the API while the centre works in the background.
func TestPersons(t *testing.T) {
	c := newCentre(t)
	ann := c.user("acme-west", "ann", "")
	for n := range 3 {
		r := session(n, noon.Add(-time.Duration(n)*time.Hour), false)
		r.Accounting.Username, r.Accounting.UserID = "ann", ann
		c.ingest("acme-west", r)
	}
	path := fmt.Sprintf("/admin/v1/persons/%d", ann)
	for _, who := range []string{"acme staff", "acme readonly"} {
		c.want(http.StatusForbidden, ask{who: who, method: "GET", path: path + "/export/"}, nil)
		c.want(http.StatusForbidden, ask{who: who, method: "POST", path: path + "/erase/"}, nil)
	}
	c.want(http.StatusNotFound, ask{who: "globex admin", method: "GET", path: path + "/export/"}, nil)
	c.want(http.StatusNotFound, ask{who: "globex admin", method: "POST", path: path + "/erase/"}, nil)
	c.want(http.StatusNotFound, ask{who: "acme admin", method: "GET", path: path + "/erase/"}, nil)

	got := c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: path + "/export"}, nil)
	var export struct {
		User     []struct{ Username string }
		Sessions []struct{ AcctUniqueID, CallingStationID string }
	}
	if err := json.Unmarshal([]byte(got.text), &export); err != nil {
		t.Fatalf("%v: %s", err, got.text)
	}
	if len(export.User) != 1 || export.User[0].Username != "ann" || len(export.Sessions) != 3 || export.Sessions[0].CallingStationID == "" ||
		!strings.Contains(got.header.Get("Content-Disposition"), fmt.Sprintf("person-%d.json", ann)) {
		t.Errorf("export %s with %v", got.text, got.header)
	}

	var e, again admin.Erasure
	c.want(http.StatusAccepted, ask{who: "acme admin", method: "POST", path: path + "/erase/"}, &e)
	c.want(http.StatusNotFound, ask{who: "acme admin", method: "GET", path: fmt.Sprintf("/api/v1/user/%d/", ann)}, nil)
	c.want(http.StatusNotFound, ask{who: "acme admin", method: "GET", path: path + "/export/"}, nil)
	c.want(http.StatusNotFound, ask{who: "globex admin", method: "GET", path: path + "/erase/"}, nil)
	c.want(http.StatusAccepted, ask{who: "acme admin", method: "POST", path: path + "/erase/"}, &again)
	if e.Status != admin.ErasureRunning || e.UserID != ann || again.ID != e.ID {
		t.Errorf("erasure %+v, and asked for again %+v", e, again)
	}
	c.clock.Advance(2 * time.Minute)
	c.operate()
	poll(t, "the erasure is finished", func() bool {
		c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: path + "/erase/"}, &e)
		return e.Status == admin.ErasureFinished
	}, c.log.String)
	if e.Rows != 3 || e.StepsDone != e.Steps || e.Finished == nil {
		t.Errorf("in the end %+v", e)
	}
	list := c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: "/api/v1/aaa_accounting/"}, nil).text
	if strings.Contains(list, "ann") || strings.Count(list, `"username":"erased-`) != 3 || strings.Count(list, `"callingstationid":null`) != 3 {
		t.Errorf("sessions: %s", list)
	}
}
