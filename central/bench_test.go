package central_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/api/edge"
)

// BenchmarkIngest is what gateways can send: batches of 1,000 records, a Start, an Interim-Update and a Stop of each session in
// batches of their own, from as many gateways as there are cores, through HTTP, durable before the answer.
func BenchmarkIngest(b *testing.B) {
	c := newCentre(b)
	var next atomic.Int64
	begun := time.Now()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n := int(next.Add(1))
			c.want(http.StatusOK, ask{who: "acme edge", method: "POST", path: edge.IngestPath, body: benchBatch(b, n)}, nil)
		}
	})
	b.ReportMetric(float64(b.N)*edge.MaxBatch/time.Since(begun).Seconds(), "records/s")
}

// benchBatch is the nth request: each three are about the same thousand sessions.
func benchBatch(b *testing.B, n int) string {
	records := make([]edge.Record, edge.MaxBatch)
	for i := range records {
		id := n/3*edge.MaxBatch + i
		records[i] = session(id, noon.Add(time.Duration(id)*time.Second), n%3 != 2)
		a := records[i].Accounting
		a.AcctUniqueID = fmt.Sprintf("%032x", id*7919)
		a.AcctUpdateTime = a.AcctUpdateTime.Add(time.Duration(n%3) * time.Minute)
		a.AcctInputOctets, a.LocationID, a.AccessPointID = uint64(n), int64(id%50+1), int64(id%500+1)
	}
	return ingestBody(b, records...)
}

func BenchmarkListAccounting(b *testing.B) {
	c := newCentre(b)
	for n := range 50 {
		c.want(http.StatusOK, ask{who: "acme edge", method: "POST", path: edge.IngestPath, body: benchBatch(b, 3*n)}, nil)
	}
	var deep page
	c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: "/api/v1/aaa_accounting/?limit=100&offset=10000"}, &deep)
	for name, path := range map[string]string{"first": "/api/v1/aaa_accounting/?limit=100", "deep": *deep.Next,
		"active": "/api/v1/aaa_accounting/?limit=100&session_status=active&location=7", "one": "/api/v1/me/organization/"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				c.want(http.StatusOK, ask{who: "acme admin", method: "GET", path: path}, nil)
			}
		})
	}
}
