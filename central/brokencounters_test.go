package central_test

import (
	"fmt"
	"math"
	"net/http"
	"testing"
	"time"

	"gatehouse/api/edge"
)

// TestBrokenCounters has gateways send the greatest numbers that there are, session after session: the records are taken, and no list
// that adds them up fails.
func TestBrokenCounters(t *testing.T) {
	c := newCentre(t, withSecrets(t))
	user := c.user("acme", "ann", "")
	c.want(http.StatusCreated, ask{who: "acme admin", method: "POST", path: fmt.Sprintf("/admin/v1/accounts/%d/time/", user),
		body: map[string]any{"kind": "grant", "seconds": 3600}}, nil)
	_, vouchers := c.vouchers(c.plan(map[string]any{"time_seconds": 86400}).ID, 1)
	broken := func(n int, user, voucher int64) edge.Record {
		r := session(n, noon.Add(-time.Hour), true)
		a := r.Accounting
		a.UserID, a.VoucherID, a.AcctSessionTime = user, voucher, math.MaxInt64
		a.AcctInputOctets, a.AcctOutputOctets, a.AcctInputPackets, a.AcctOutputPackets = math.MaxInt64, math.MaxInt64, math.MaxInt64, math.MaxInt64
		return r
	}
	for n := range 3 {
		for _, r := range []edge.Record{broken(n*2, user, 0), broken(n*2+1, 0, vouchers[0])} {
			if got := c.ingest("acme", r); got[0].Status != edge.Merged {
				t.Errorf("%+v", got)
			}
		}
	}
	for _, path := range []string{"/admin/v1/accounts/", "/api/v1/user_token/?balance=true", "/api/v1/aaa_accounting/",
		"/admin/v1/statistics/traffic/?exact=true", fmt.Sprintf("/admin/v1/accounts/%d/time/", user), fmt.Sprintf("/admin/v1/vouchers/%d/", vouchers[0])} {
		c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: path}, nil)
		c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: path, header: map[string]string{"Accept": "application/json; variant=legacy"}}, nil)
	}
	if list := c.accounting(); len(list) != 6 || list[0].AcctInputOctets != 1<<53-1 {
		t.Errorf("%d sessions, %+v", len(list), list[0])
	}
}
