package central_test

import (
	"compress/zlib"
	"encoding/csv"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/api/admin"
	"gatehouse/api/edge"
	"gatehouse/central"
	"gatehouse/central/seal"
	"gatehouse/sessions"
)

// withSecrets gives the centre a key for secrets.
func withSecrets(t testing.TB) func(*central.Config) {
	t.Helper()
	key, err := seal.Parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	if err != nil {
		t.Fatal(err)
	}
	return func(cfg *central.Config) { cfg.Secrets = key }
}

// plan makes a plan of acme.
func (c *centre) plan(fields map[string]any) (p admin.Plan) {
	c.t.Helper()
	body := map[string]any{"name": fmt.Sprintf("plan %d", rand.Int())}
	for name, v := range fields {
		body[name] = v
	}
	c.want(http.StatusCreated, ask{who: "acme admin", method: "POST", path: "/admin/v1/plans/", body: body}, &p)
	return p
}

// vouchers makes a batch of n of a plan of acme, and returns them in the order of their making, with their codes.
func (c *centre) vouchers(plan int64, n int) (b admin.VoucherBatch, ids []int64) {
	c.t.Helper()
	c.want(http.StatusCreated, ask{who: "acme staff", method: "POST", path: "/admin/v1/voucher_batches/",
		body: map[string]any{"plan": plan, "quantity": n}}, &b)
	for _, code := range b.Codes {
		var page admin.Page[admin.Voucher]
		c.want(http.StatusOK, ask{who: "acme staff", method: "GET", path: "/admin/v1/vouchers/?code=" + strings.ToLower(code)}, &page)
		if len(page.Results) != 1 {
			c.t.Fatalf("code found %d times", len(page.Results))
		}
		ids = append(ids, page.Results[0].ID)
	}
	return b, ids
}

func (c *centre) voucher(id int64) (v admin.VoucherDetail) {
	c.t.Helper()
	c.want(http.StatusOK, ask{who: "acme staff", method: "GET", path: fmt.Sprintf("/admin/v1/vouchers/%d/", id)}, &v)
	return v
}

// use is a session of a voucher at a gateway; stop 0: it is running.
func use(n int, voucher int64, gateway string, start time.Time, seconds int64, octets uint64, stopped, first bool) edge.Record {
	s := session(n, start, !stopped)
	a := s.Accounting
	a.AcctUniqueID, a.NASIdentifier, a.Username = fmt.Sprintf("%s-%d", gateway, n), gateway, sessions.VoucherName(voucher)
	a.AcctSessionTime, a.AcctInputOctets, a.AcctOutputOctets, a.VoucherID, a.VoucherFirst = seconds, octets, 0, voucher, first
	a.AcctUpdateTime = start.Add(time.Duration(seconds) * time.Second)
	if stopped {
		a.AcctStopTime = &a.AcctUpdateTime
	} else if seconds > 0 {
		a.AcctStatusType = "Interim-Update"
	}
	return s
}

func TestPlans(t *testing.T) {
	c := newCentre(t)
	full := map[string]any{"name": "Day", "description": "d", "time_seconds": 3600, "time_mode": "elapsed", "data_octets": 1 << 30, "rate_up": 1000,
		"rate_down": 0, "devices": 2, "idle_timeout": 600, "valid_seconds": 86400, "valid_until": "2027-01-01T00:00:00Z", "price": "5 €",
		"zones": []string{"lobby"}, "extendable": true}
	p := c.plan(full)
	for name, want := range full {
		got := fmt.Sprint(planField(t, c, p.ID, name))
		if got != fmt.Sprint(want) {
			t.Errorf("%s is %s, want %v", name, got, want)
		}
	}
	path := fmt.Sprintf("/admin/v1/plans/%d/", p.ID)
	r := c.want(http.StatusOK, ask{who: "acme readonly", method: "GET", path: path}, nil)
	tag := r.header.Get("ETag")
	patch := func(status int, body string, match string) reply {
		t.Helper()
		return c.want(status, ask{who: "acme admin", method: "PATCH", path: path, body: body, header: map[string]string{"If-Match": match}}, nil)
	}
	patch(http.StatusOK, `{"price":null,"rate_up":7}`, tag)
	patch(http.StatusPreconditionFailed, `{"price":"x"}`, tag)
	if planField(t, c, p.ID, "price") != nil || fmt.Sprint(planField(t, c, p.ID, "rate_up")) != "7" || planField(t, c, p.ID, "description") != "d" {
		t.Error("PATCH did something else")
	}
	for body, in := range map[string]string{
		`{"time_seconds":null}`: "time_seconds", `{"name":" "}`: "name", `{"name":null}`: "name", `{"devices":-1}`: "devices", `{"zones":["a\u0000"]}`: "zones",
		`{"valid_until":"soon"}`: "valid_until", `{"time_mode":"x"}`: "time_mode", `{"prize":"1"}`: "prize", `{"data_octets":"many"}`: "data_octets",
	} {
		if r := patch(http.StatusBadRequest, body, ""); !strings.Contains(r.text, `"`+in+`":[`) || !strings.Contains(r.text, `"code":"invalid"`) {
			t.Errorf("%s: %s", body, r.text)
		}
	}
	c.want(http.StatusConflict, ask{who: "acme admin", method: "POST", path: "/admin/v1/plans/", body: map[string]any{"name": "Day"}}, nil)
	for _, who := range []string{"acme staff", "acme readonly"} {
		c.want(http.StatusForbidden, ask{who: who, method: "POST", path: "/admin/v1/plans/", body: map[string]any{"name": "x"}}, nil)
	}
	c.vouchers(p.ID, 1)
	if r := c.want(http.StatusConflict, ask{who: "acme admin", method: "DELETE", path: path}, nil); !strings.Contains(r.text, "vouchers") {
		t.Error(r.text)
	}
	other := c.plan(nil)
	c.want(http.StatusNoContent, ask{who: "acme admin", method: "DELETE", path: fmt.Sprintf("/admin/v1/plans/%d/", other.ID)}, nil)
	c.want(http.StatusNotFound, ask{who: "acme admin", method: "GET", path: fmt.Sprintf("/admin/v1/plans/%d/", other.ID)}, nil)
}

func planField(t *testing.T, c *centre, plan int64, name string) any {
	t.Helper()
	var m map[string]any
	c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: fmt.Sprintf("/admin/v1/plans/%d/", plan)}, &m)
	if f, ok := m[name].(float64); ok {
		return int64(f)
	}
	return m[name]
}

// TestVoucherStatesInLists: the filter says what the rules say, for vouchers of many plans in many states.
func TestVoucherStatesInLists(t *testing.T) {
	c := newCentre(t)
	rng := rand.New(rand.NewPCG(1, 2))
	maybe := func(v any) any {
		if rng.IntN(2) == 0 {
			return nil
		}
		return v
	}
	n := 0
	for range 20 {
		until := noon.Add(time.Duration(rng.IntN(9)-1) * time.Hour).Format(time.RFC3339)
		fields := map[string]any{"data_octets": maybe(1000), "valid_seconds": maybe(5400), "valid_until": maybe(until), "extendable": true, "time_seconds": maybe(3600)}
		if fields["time_seconds"] != nil && rng.IntN(2) == 0 {
			fields["time_mode"] = "elapsed"
		}
		_, ids := c.vouchers(c.plan(fields).ID, 4)
		for _, id := range ids {
			n++
			if rng.IntN(3) > 0 {
				start := noon.Add(-time.Duration(rng.IntN(180)) * time.Minute)
				c.ingest("acme", use(n, id, "gw1", start, int64(1800+1800*rng.IntN(2)), uint64(500+500*rng.IntN(2)), true, true))
			}
			if rng.IntN(4) == 0 {
				c.do(ask{who: "acme staff", method: "POST", path: fmt.Sprintf("/admin/v1/vouchers/%d/extend/", id),
					body: map[string]any{"valid_until": noon.Add(time.Duration(1-rng.IntN(3)) * time.Hour).Format(time.RFC3339)}})
			}
			if rng.IntN(8) == 0 {
				c.want(http.StatusOK, ask{who: "acme staff", method: "POST", path: fmt.Sprintf("/admin/v1/vouchers/%d/revoke/", id)}, nil)
			}
		}
	}
	all := c.allVouchers("")
	want := make(map[string][]int64)
	for _, v := range all {
		want[v.State] = append(want[v.State], v.ID)
	}
	for _, state := range sessions.VoucherStates() {
		var got []int64
		for _, v := range c.allVouchers("&state=" + state) {
			got = append(got, v.ID)
		}
		if diff := cmp.Diff(want[state], got); diff != "" || len(got) == 0 {
			t.Errorf("%s (-want +got):\n%s", state, diff)
		}
	}
	if len(all) != 80 {
		t.Errorf("%d vouchers", len(all))
	}
}

// allVouchers reads a list to its end, page by page.
func (c *centre) allVouchers(filter string) (all []admin.Voucher) {
	c.t.Helper()
	path := "/admin/v1/vouchers/?limit=7" + filter
	for path != "" {
		var page admin.Page[admin.Voucher]
		c.want(http.StatusOK, ask{who: "acme staff", method: "GET", path: path}, &page)
		all, path = append(all, page.Results...), ""
		if page.Next != nil {
			path = *page.Next
		}
	}
	return all
}

func TestVoucherIsRevokedAndExtended(t *testing.T) {
	c := newCentre(t, withSecrets(t))
	p := c.plan(map[string]any{"time_seconds": 3600, "extendable": true})
	b, ids := c.vouchers(p.ID, 3)
	at := func(id int64, verb string) string { return fmt.Sprintf("/admin/v1/vouchers/%d/%s/", id, verb) }
	extend := func(status int, id int64, body map[string]any) reply {
		t.Helper()
		return c.want(status, ask{who: "acme staff", method: "POST", path: at(id, "extend"), body: body}, nil)
	}
	extend(http.StatusOK, ids[0], map[string]any{"seconds": 600, "valid_until": "2026-03-02T00:00:00Z"})
	if v := c.voucher(ids[0]); v.ExtraSeconds != 600 || *v.SecondsLeft != 4200 || !v.Expires.Equal(noon.Add(12*time.Hour)) || *v.Code != b.Codes[0] {
		t.Errorf("extended: %+v", v.Voucher)
	}
	for field, body := range map[string]map[string]any{"octets": {"octets": 1}, "non_field_errors": {}, "seconds": {"seconds": 0}} {
		if r := extend(http.StatusBadRequest, ids[0], body); !strings.Contains(r.text, field) {
			t.Error(r.text)
		}
	}
	c.want(http.StatusOK, ask{who: "acme staff", method: "POST", path: at(ids[1], "revoke")}, nil)
	first := c.voucher(ids[1]).Revoked
	c.clock.Skew(time.Minute)
	c.want(http.StatusOK, ask{who: "acme staff", method: "POST", path: at(ids[1], "revoke"), body: map[string]any{}}, nil)
	if v := c.voucher(ids[1]); v.State != "revoked" || !v.Revoked.Equal(*first) {
		t.Errorf("revoked twice: %+v", v.Voucher)
	}
	extend(http.StatusConflict, ids[1], map[string]any{"seconds": 1})
	path := fmt.Sprintf("/admin/v1/voucher_batches/%d/", b.ID)
	c.want(http.StatusConflict, ask{who: "acme admin", method: "DELETE", path: path}, nil)
	var n admin.Revoked
	c.want(http.StatusOK, ask{who: "acme staff", method: "POST", path: path + "revoke/"}, &n)
	if n.Revoked != 2 || len(c.allVouchers("&state=revoked")) != 3 {
		t.Errorf("%d revoked", n.Revoked)
	}
	c.want(http.StatusNoContent, ask{who: "acme admin", method: "DELETE", path: path}, nil)
	c.want(http.StatusNoContent, ask{who: "acme admin", method: "DELETE", path: fmt.Sprintf("/admin/v1/plans/%d/", p.ID)}, nil)
}

// pdfText is what a PDF's pages draw.
func pdfText(t *testing.T, pdf string) string {
	t.Helper()
	var all strings.Builder
	for _, part := range strings.Split(pdf, "stream\n") {
		z, err := zlib.NewReader(strings.NewReader(part))
		if err != nil {
			continue // a picture, or what stands between
		}
		_, _ = io.Copy(&all, z) // a picture ends where it likes
	}
	return all.String()
}

func TestVoucherExport(t *testing.T) {
	c := newCentre(t, withSecrets(t))
	b, _ := c.vouchers(c.plan(map[string]any{"name": "=cmd", "price": "5 €"}).ID, 30)
	export := fmt.Sprintf("/admin/v1/voucher_batches/%d/export/?format=", b.ID)
	r := c.want(http.StatusOK, ask{who: "acme staff", method: "GET", path: export + "csv"}, nil)
	lines, err := csv.NewReader(strings.NewReader(r.text)).ReadAll()
	if err != nil || len(lines) != 31 || r.header.Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Fatal(err, len(lines), r.header)
	}
	for i, line := range lines[1:] {
		if line[1] != b.Codes[i] || line[2] != "'=cmd" || line[3] != "unused" {
			t.Errorf("line %d: %q", i, line)
		}
	}
	r = c.want(http.StatusOK, ask{who: "acme staff", method: "GET", path: export + "pdf&link=https://wifi.example.net/v/{code}"}, nil)
	if !strings.HasPrefix(r.text, "%PDF-") || strings.Count(r.text, "/Type /Page\n") != 2 || r.header.Get("Content-Type") != "application/pdf" {
		t.Errorf("%d octets, %d pages", len(r.text), strings.Count(r.text, "/Type /Page\n"))
	}
	sheet := pdfText(t, r.text)
	for _, code := range b.Codes {
		if !strings.Contains(sheet, "("+code+")") {
			t.Errorf("%s is not on the sheet whole", code)
		}
	}
	c.want(http.StatusOK, ask{who: "acme staff", method: "GET", path: export + "pdf&link={code}"}, nil)
	c.want(http.StatusBadRequest, ask{who: "acme staff", method: "GET", path: export + "doc"}, nil)
	c.want(http.StatusForbidden, ask{who: "acme readonly", method: "GET", path: export + "csv"}, nil)
	var page admin.Page[admin.Voucher]
	r = c.want(http.StatusOK, ask{who: "acme readonly", method: "GET", path: "/admin/v1/vouchers/"}, &page)
	if strings.Contains(r.text, b.Codes[29]) || len(page.Results) != 20 {
		t.Error("who may only read sees codes")
	}
	if strings.Contains(c.log.String(), b.Codes[0]) {
		t.Error("a code is in the log")
	}
}

// TestWithoutKey: codes are told once, and nothing that is kept gives them back.
func TestWithoutKey(t *testing.T) {
	c := newCentre(t)
	b, ids := c.vouchers(c.plan(nil).ID, 1)
	if v := c.voucher(ids[0]); v.Code != nil {
		t.Error("the code is kept")
	}
	r := c.want(http.StatusConflict, ask{who: "acme staff", method: "GET", path: fmt.Sprintf("/admin/v1/voucher_batches/%d/export/?format=csv", b.ID)}, nil)
	if !strings.Contains(r.text, "key for secrets") {
		t.Error(r.text)
	}
}

// TestVoucherUse: what gateways tell, each three times and in any order, is counted once, and two that both took a voucher for
// unused are found out.
func TestVoucherUse(t *testing.T) {
	c := newCentre(t)
	p := c.plan(map[string]any{"time_seconds": 7200, "data_octets": 100})
	_, ids := c.vouchers(p.ID, 2)
	id := ids[0]
	for _, gw := range []string{"gw1", "gw2"} {
		c.want(http.StatusOK, ask{who: "acme edge", method: "GET", path: edge.ChangesPath, header: map[string]string{edge.NASHeader: gw}}, nil)
	}
	records := []edge.Record{
		use(1, id, "gw1", noon, 0, 0, false, true), use(1, id, "gw1", noon, 600, 5, false, true), use(1, id, "gw1", noon, 1800, 10, true, true),
		use(2, id, "gw2", noon.Add(-time.Minute), 0, 0, false, true), use(2, id, "gw2", noon.Add(-time.Minute), 60, 7, false, true),
		use(3, id, "gw2", noon.Add(time.Hour), 100, 1, true, false),
		use(4, ids[1]+1000, "gw1", noon, 5, 5, true, true),
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for range 3 {
		rng.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
		for i := 0; i < len(records); i += 3 {
			c.ingest("acme", records[i:min(i+3, len(records))]...)
		}
	}
	v := c.voucher(id)
	if v.UsedSeconds != 1960 || v.UsedOctets != 18 || *v.SecondsLeft != 5240 || *v.OctetsLeft != 82 || v.State != "active" || !v.DoubleRedeemed {
		t.Errorf("%+v", v.Voucher)
	}
	if !v.FirstUsed.Equal(noon.Add(-time.Minute)) || !v.LastUsed.Equal(noon.Add(time.Hour+100*time.Second)) {
		t.Errorf("first used %s, last %s", v.FirstUsed, v.LastUsed)
	}
	want := []admin.VoucherSession{
		{Gateway: "gw2", Started: noon.Add(-time.Minute), Seconds: 60, Octets: 7, FirstUse: true},
		{Gateway: "gw1", Started: noon, Stopped: new(noon.Add(1800 * time.Second)), Seconds: 1800, Octets: 10, FirstUse: true},
		{Gateway: "gw2", Started: noon.Add(time.Hour), Stopped: new(noon.Add(time.Hour + 100*time.Second)), Seconds: 100, Octets: 1},
	}
	for i := range want {
		want[i].Station = "02-00-5E-10-00-01"
	}
	if diff := cmp.Diff(want, v.Sessions); diff != "" {
		t.Errorf("sessions (-want +got):\n%s", diff)
	}
	if list := c.allVouchers("&double_redeemed=true"); len(list) != 1 || list[0].ID != id {
		t.Errorf("doubles: %+v", list)
	}
	if c.voucher(ids[1]).State != "unused" {
		t.Error("another voucher was used too")
	}
}

// TestVouchersInTheFeed: a gateway hears of the plans and vouchers of its organisations, and of what others have used.
func TestVouchersInTheFeed(t *testing.T) {
	c := newCentre(t)
	p := c.plan(map[string]any{"time_seconds": 7200, "rate_up": 0, "zones": []string{"lobby"}})
	b, ids := c.vouchers(p.ID, 600)
	cursor := ""
	read := func(who, gw string) (all []edge.Change, key []byte) {
		t.Helper()
		for {
			var a edge.ChangesAnswer
			c.want(http.StatusOK, ask{who: who, method: "GET", path: edge.ChangesPath + "?cursor=" + cursor, header: map[string]string{edge.NASHeader: gw}}, &a)
			if all = append(all, a.Changes...); len(a.VoucherKey) > 0 {
				key = a.VoucherKey
			}
			if cursor = a.Cursor; !a.More {
				return all, key
			}
		}
	}
	changes, key := read("acme edge", "gw1")
	if len(changes) != 601 || changes[0].Plan == nil || *changes[0].Plan.RateUp != 0 || *changes[0].Plan.TimeSeconds != 7200 {
		t.Fatalf("%d changes, the first %+v", len(changes), changes[0])
	}
	for i, ch := range changes[1:] {
		code, err := sessions.ParseVoucherCode(b.Codes[i])
		if err != nil {
			t.Fatal(err)
		}
		hash := code.Hash(key)
		if diff := cmp.Diff(edge.Change{Voucher: &edge.Voucher{ID: ids[i], PlanID: p.ID, Hash: hash[:]}}, ch); diff != "" {
			t.Fatalf("voucher %d (-want +got):\n%s", i, diff)
		}
	}
	c.ingest("acme", use(1, ids[0], "gw1", noon, 60, 6, true, true), use(2, ids[0], "gw2", noon, 10, 1, true, false))
	changes, _ = read("acme edge", "gw1")
	if len(changes) != 1 || changes[0].Voucher == nil || changes[0].Voucher.HereSeconds != 60 || changes[0].Voucher.ElsewhereSeconds != 10 ||
		changes[0].Voucher.HereOctets != 6 || changes[0].Voucher.ElsewhereOctets != 1 || !changes[0].Voucher.FirstUsed.Equal(noon) {
		t.Errorf("after use: %+v", changes)
	}
	c.ingest("acme", use(1, ids[0], "gw1", noon, 60, 6, true, true)) // a repetition is no news
	if changes, _ = read("acme edge", "gw1"); len(changes) != 0 {
		t.Errorf("after a repetition: %+v", changes)
	}
	c.want(http.StatusOK, ask{who: "acme staff", method: "POST", path: fmt.Sprintf("/admin/v1/voucher_batches/%d/revoke/", b.ID)}, nil)
	if changes, _ = read("acme edge", "gw1"); len(changes) != 600 || !changes[599].Voucher.Revoked {
		t.Errorf("after the end of the batch: %d changes", len(changes))
	}
	c.want(http.StatusNoContent, ask{who: "acme admin", method: "DELETE", path: fmt.Sprintf("/admin/v1/voucher_batches/%d/", b.ID)}, nil)
	if changes, _ = read("acme edge", "gw1"); len(changes) != 600 || changes[0].DeletedVoucher == 0 {
		t.Errorf("after the deletion: %d changes", len(changes))
	}
	cursor = ""
	if changes, _ = read("globex edge", "gw1"); len(changes) != 0 {
		t.Errorf("another organisation hears of %d changes", len(changes))
	}
}

func TestVouchersOfOthers(t *testing.T) {
	c := newCentre(t, withSecrets(t))
	p := c.plan(nil)
	b, ids := c.vouchers(p.ID, 1)
	for _, a := range []ask{
		{method: "GET", path: fmt.Sprintf("/admin/v1/plans/%d/", p.ID)},
		{method: "PATCH", path: fmt.Sprintf("/admin/v1/plans/%d/", p.ID), body: map[string]any{"name": "x"}},
		{method: "DELETE", path: fmt.Sprintf("/admin/v1/plans/%d/", p.ID)},
		{method: "GET", path: fmt.Sprintf("/admin/v1/voucher_batches/%d/", b.ID)},
		{method: "GET", path: fmt.Sprintf("/admin/v1/voucher_batches/%d/export/?format=csv", b.ID)},
		{method: "POST", path: fmt.Sprintf("/admin/v1/voucher_batches/%d/revoke/", b.ID)},
		{method: "DELETE", path: fmt.Sprintf("/admin/v1/voucher_batches/%d/", b.ID)},
		{method: "GET", path: fmt.Sprintf("/admin/v1/vouchers/%d/", ids[0])},
		{method: "POST", path: fmt.Sprintf("/admin/v1/vouchers/%d/revoke/", ids[0])},
		{method: "POST", path: fmt.Sprintf("/admin/v1/vouchers/%d/extend/", ids[0]), body: map[string]any{"seconds": 1}},
	} {
		for _, who := range []string{"globex admin", "acme-west admin"} {
			a.who = who
			c.want(http.StatusNotFound, a, nil)
		}
	}
	c.want(http.StatusBadRequest, ask{who: "globex admin", method: "POST", path: "/admin/v1/voucher_batches/", body: map[string]any{"plan": p.ID, "quantity": 1}}, nil)
	for _, list := range []string{"plans", "voucher_batches", "vouchers"} {
		for _, filter := range []string{"", "?organization=acme", "?organization=1"} {
			if r := c.want(http.StatusOK, ask{who: "globex admin", method: "GET", path: "/admin/v1/" + list + "/" + filter}, nil); !strings.Contains(r.text, `"results":[]`) {
				t.Errorf("%s%s: %s", list, filter, r.text)
			}
		}
	}
	c.ingest("globex", use(1, ids[0], "gw1", noon, 60, 6, true, true))
	if v := c.voucher(ids[0]); v.State != "unused" || len(v.Sessions) != 0 {
		t.Errorf("used by another organisation's gateway: %+v", v)
	}
}
