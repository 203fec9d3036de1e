package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"gatehouse/api/gate"
)

// DeviceReport is who tells of a connection, and how it went.
type DeviceReport struct {
	Organization int64
	Device       DeviceRef
	Owner        string // who reports, as in "token 5": stands for the device when nothing else names one
	UserID       *int64 // when a user reports himself
	Failed       bool
	Seconds      *int64 // how long the connection lasted
}

// LogConnection keeps a device's connection.
func (s *Store) LogConnection(ctx context.Context, r DeviceReport, l gate.ConnLog) error {
	return s.write(ctx, "logging connection", func(tx *dbTx) error {
		network := cmp.Or(deref(l.NetworkName), deref(l.NetworkMCCMNC), l.NetworkType)
		device, app, at, err := s.report(tx, r, l.NetworkType, network)
		if err != nil {
			return err
		}
		const insert = `INSERT INTO connection_logs (device_id, app_id, at, failed, network_security, network_mccmnc, frequency,
				authentication, bssid, cellid, roaming, latitude, longitude, inbytes, outbytes, link_speed, quality_metric, quality_value,
				duration)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
		_, err = tx.Exec(insert, device, app, at, r.Failed, l.NetworkSecurity, l.NetworkMCCMNC, l.Frequency, l.Authentication,
			l.BSSID, l.CellID, l.Roaming, l.Latitude, l.Longitude, l.InBytes, l.OutBytes, l.LinkSpeed, l.QualityMetric, l.QualityValue,
			r.Seconds)
		return err
	})
}

// ReportTest keeps a test of a network and returns it with its id and time.
func (s *Store) ReportTest(ctx context.Context, r DeviceReport, t gate.TestReport) (gate.TestReport, error) {
	err := s.write(ctx, "keeping test report", func(tx *dbTx) error {
		device, app, at, err := s.report(tx, r, t.NetworkType, cmp.Or(deref(t.NetworkName), t.NetworkType))
		if err != nil {
			return err
		}
		t.Timestamp = *gateTime(&at)
		const insert = `INSERT INTO test_reports (device_id, app_id, at, failed, test_type, destination, value, count, unit)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`
		return tx.QueryRow(insert, device, app, at, r.Failed, t.TestType, t.Destination, t.Value, t.Count, t.Unit).Scan(&t.ID)
	})
	return t, err
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// report finds the device and the app of a report, and marks the day of the device.
func (s *Store) report(tx *dbTx, r DeviceReport, networkType, network string) (device, app, at int64, err error) {
	at = micros(s.now())
	if device, err = s.reporter(tx, r); err != nil {
		return 0, 0, 0, err
	}
	err = tx.QueryRow("SELECT id FROM device_apps WHERE organization_id = ? AND network_type = ? AND network_name = ?",
		r.Organization, networkType, network).Scan(&app)
	if err == sql.ErrNoRows {
		err = tx.QueryRow(`INSERT INTO device_apps (organization_id, network_type, network_name) VALUES (?, ?, ?) RETURNING id`,
			r.Organization, networkType, network).Scan(&app)
	}
	if err != nil {
		return 0, 0, 0, err
	}
	_, err = tx.Exec("INSERT INTO connection_marks (device_id, day) VALUES (?, ?)", device, dayOf(at))
	return device, app, at, err
}

// reporter is the device that reports: the one named, else the only one of the user, else the one implied by who reports.
func (s *Store) reporter(tx *dbTx, r DeviceReport) (int64, error) {
	d, err := findDevice(tx.ctx, tx, r.Organization, r.Device)
	if err != sql.ErrNoRows {
		return d.ID, err
	}
	if r.UserID != nil {
		rows, err := tx.Query("SELECT id FROM devices WHERE user_id = ? AND implied IS NULL ORDER BY id LIMIT 2", *r.UserID)
		ids, err := collect(rows, err, scanID)
		if err != nil {
			return 0, err
		}
		if len(ids) == 1 {
			return ids[0], nil
		}
	}
	return s.impliedDevice(tx, r.Organization, r.Owner, r.UserID)
}

func scanID(row scanner) (id int64, err error) {
	err = row.Scan(&id)
	return id, err
}

const microsPerDay = int64(24 * time.Hour / time.Microsecond)

// dayOf is the day of a time in microseconds, counted from 1970.
func dayOf(at int64) int64 { return at / microsPerDay }

// rollupMarks is how many reports are taken up in one transaction.
const rollupMarks = 1000

// RollUpConnections makes the days anew in which devices have reported since the last time, from the reports themselves, so that
// nothing is counted twice whoever else does the same. It takes up to most reports, and tells whether there are more.
func (s *Store) RollUpConnections(ctx context.Context, most int) (more bool, err error) {
	for ; most > 0; most -= rollupMarks {
		var there bool
		if err := s.read().QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM connection_marks)").Scan(&there); err != nil || !there {
			return false, s.err("looking for connections", err)
		}
		err := s.write(ctx, "rolling up connections", func(tx *dbTx) error { return rollUp(tx, min(most, rollupMarks)) })
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

func rollUp(tx *dbTx, most int) error {
	// One process at a time: a second one could put the older of two counts over the newer.
	if _, err := tx.Exec("UPDATE meta SET value = value WHERE key = 'connection_rollup'"); err != nil {
		return err
	}
	type bucket struct{ device, day int64 }
	var ids []int64
	rows, err := tx.Query("SELECT id, device_id, day FROM connection_marks ORDER BY id LIMIT ?", most)
	buckets, err := collect(rows, err, func(row scanner) (b bucket, err error) {
		var id int64
		err = row.Scan(&id, &b.device, &b.day)
		ids = append(ids, id)
		return b, err
	})
	if err != nil {
		return err
	}
	slices.SortFunc(buckets, func(a, b bucket) int { return cmp.Or(cmp.Compare(a.device, b.device), cmp.Compare(a.day, b.day)) })
	for _, b := range slices.Compact(buckets) {
		if err := rollUpDay(tx, b.device, b.day); err != nil {
			return err
		}
	}
	// Not all up to the last: one with a smaller id may just have been committed.
	condition, args := among(tx.d, "id", ids)
	_, err = tx.Exec("DELETE FROM connection_marks WHERE "+condition, args...)
	return err
}

func rollUpDay(tx *dbTx, device, day int64) error {
	if _, err := tx.Exec(`DELETE FROM connection_days WHERE day = ? AND device_id = ?
		AND organization_id = (SELECT organization_id FROM devices WHERE id = ?)`, day, device, device); err != nil {
		return err
	}
	const within = " WHERE device_id = ?1 AND at >= ?2 AND at < ?3"
	_, err := tx.Exec(fmt.Sprintf(`INSERT INTO connection_days (organization_id, device_id, day, app_id, total, failed, octets, seconds,
			timed, last_at, last_failed)
		SELECT d.organization_id, d.id, CAST(?4 AS BIGINT), r.app_id, count(*), sum(CASE WHEN r.failed THEN 1 ELSE 0 END), %[2]s,
			%[3]s, sum(r.timed), max(r.at), max(CASE WHEN r.failed THEN r.at ELSE 0 END) = max(r.at)
		FROM devices d, (
			SELECT app_id, at, failed, coalesce(inbytes, 0) + coalesce(outbytes, 0) AS octets, coalesce(duration, 0) AS seconds,
				CASE WHEN duration IS NULL THEN 0 ELSE 1 END AS timed FROM connection_logs%[1]s
			UNION ALL SELECT app_id, at, failed, 0, 0, 0 FROM test_reports%[1]s) r
		WHERE d.id = ?1 GROUP BY d.organization_id, d.id, r.app_id`, within, tx.d.sum("r.octets"), tx.d.sum("r.seconds")), device, day*microsPerDay, (day+1)*microsPerDay, day)
	return err
}
