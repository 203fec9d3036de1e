package nftables_test

import (
	"slices"
	"testing"
	"time"

	"gatehouse/lab"
	"gatehouse/sessions"
)

const benchStations = 5000

// benchGate is a gate with that many stations admitted.
func benchGate(b *testing.B) *gate {
	b.Helper()
	g := newGate(b, lab.Options{}, guestZone())
	all := make([]sessions.Grant, benchStations)
	for i := range all {
		all[i] = crowd(i)
	}
	g.admit(all...)
	return g
}

// BenchmarkAdmit is one login at 5,000 stations; budget p50 0.1 ms (DESIGN §6).
func BenchmarkAdmit(b *testing.B) {
	g := benchGate(b)
	var took []time.Duration
	for b.Loop() {
		one := crowd(benchStations)
		start := time.Now()
		g.admit(one)
		took = append(took, time.Since(start))
		b.StopTimer()
		if _, err := g.fw.Cut(b.Context(), one.Station); err != nil {
			b.Fatal(err)
		}
		if err := g.fw.Release(b.Context(), one.Station); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	report(b, took)
}

// BenchmarkCut is one logout, with the final counters and the release.
func BenchmarkCut(b *testing.B) {
	g := benchGate(b)
	var took []time.Duration
	for b.Loop() {
		one := crowd(benchStations)
		b.StopTimer()
		g.admit(one)
		b.StartTimer()
		start := time.Now()
		if _, err := g.fw.Cut(b.Context(), one.Station); err != nil {
			b.Fatal(err)
		}
		if err := g.fw.Release(b.Context(), one.Station); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	report(b, took)
}

// BenchmarkUsage reads all counters.
func BenchmarkUsage(b *testing.B) {
	g := benchGate(b)
	b.ReportAllocs()
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		if _, err := g.fw.Usage(b.Context()); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	report(b, took)
}

// BenchmarkReconcile is a restart of the daemon that changes nothing.
func BenchmarkReconcile(b *testing.B) {
	g := benchGate(b)
	all := make([]sessions.Grant, benchStations)
	for i := range all {
		all[i] = crowd(i)
	}
	var took []time.Duration
	for b.Loop() {
		g.restart()
		start := time.Now()
		if err := g.tryReconcile(all...); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	report(b, took)
}

func report(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
