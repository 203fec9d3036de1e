package store

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// BenchmarkSummary sums up a million reports of a thousand devices in 90 days, as connection_summary does for its first page.
func BenchmarkSummary(b *testing.B) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s, scope := newStore(b)
	s.now = func() time.Time { return now }
	const reports, devices, apps = 1_000_000, 1000, 5
	err := s.write(b.Context(), "filling", func(tx *dbTx) error {
		const series = "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT "
		for _, q := range []string{
			"INSERT INTO devices (organization_id, generic_id, created, updated) " + fmt.Sprintf(series, devices-1) + "1, 'd' || CAST(i AS TEXT), 0, 0 FROM n",
			"INSERT INTO device_apps (organization_id, network_type, network_name) " + fmt.Sprintf(series, apps-1) + "1, 'wi', 'n' || CAST(i AS TEXT) FROM n",
			"INSERT INTO connection_logs (device_id, app_id, at, failed, network_security, inbytes, outbytes) " + fmt.Sprintf(series, reports-1) +
				fmt.Sprintf("1 + i %% %d, 1 + (i / %d) %% %d, %d - CAST(i AS BIGINT) * %d, i %% 17 = 0, 'wp2', i, 1000 FROM n",
					devices, devices, apps, micros(now), 90*microsPerDay/reports),
			fmt.Sprintf("INSERT INTO connection_marks (device_id, day) SELECT DISTINCT device_id, at / %d FROM connection_logs", microsPerDay),
		} {
			if _, err := tx.Exec(q); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	begun := time.Now()
	if _, err := s.RollUpConnections(b.Context(), math.MaxInt); err != nil {
		b.Fatal(err)
	}
	b.Logf("all days made anew in %s", time.Since(begun).Round(time.Millisecond))
	for _, days := range []int{1, 7, 30, 90} {
		b.Run(fmt.Sprintf("%dd", days), func(b *testing.B) {
			for b.Loop() {
				f := SummaryFilter{Days: days}
				all, _, _, err := s.Summary(b.Context(), scope, f)
				if err != nil || len(all) == 0 {
					b.Fatal(err, len(all))
				}
				list, err := s.SummaryDevices(b.Context(), scope, f, all[:20])
				if err != nil || len(list) == 0 {
					b.Fatal(err, len(list))
				}
			}
		})
	}
}
