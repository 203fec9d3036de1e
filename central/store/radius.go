package store

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"gatehouse/api/edge"
)

// IngestRADIUS merges records of NASes, all in one transaction, and returns once that is on disk. The records must be valid
// as those of Ingest; their times are found out here.
func (s *Store) IngestRADIUS(ctx context.Context, records []RADIUSRecord) error {
	times := make([]time.Time, len(records))
	for i := range records {
		times[i] = records[i].begin()
	}
	for {
		if err := s.db.prepare(ctx, times); err != nil {
			return s.err("making room for records", err)
		}
		if err := s.mergeRADIUS(ctx, records); err == nil || !s.db.unprepared(err) {
			return err
		}
	}
}

func (s *Store) mergeRADIUS(ctx context.Context, records []RADIUSRecord) error {
	byOrganization := make(map[int64][]*RADIUSRecord)
	for i := range records {
		byOrganization[records[i].Organization] = append(byOrganization[records[i].Organization], &records[i])
	}
	var told bool
	err := s.write(ctx, "merging RADIUS records", func(tx *dbTx) error {
		told = false
		if err := lockClients(tx, records); err != nil {
			return err
		}
		for _, organization := range slices.Sorted(maps.Keys(byOrganization)) {
			some, err := s.ingestRADIUS(tx, organization, byOrganization[organization])
			if err != nil {
				return err
			}
			told = told || some
		}
		return nil
	})
	if told {
		s.wake(err)
	}
	return err
}

// lockClients makes processes take turns with the records of one client: each must see the sessions that the other has made.
func lockClients(tx *dbTx, records []RADIUSRecord) error {
	ids := make([]int64, len(records))
	for i := range records {
		ids[i] = records[i].Client
	}
	condition, args := among(tx.d, "id", distinct(ids))
	return tx.lock("radius_clients", condition+" ORDER BY id", args...)
}

func (s *Store) ingestRADIUS(tx *dbTx, organization int64, records []*RADIUSRecord) (told bool, err error) {
	boots, news, err := noteBoots(tx, organization, records)
	if err != nil {
		return false, err
	}
	known, err := readStays(tx, organization, records, boots)
	if err != nil {
		return false, err
	}
	var touched []*stay
	for _, r := range records {
		if !r.Boot {
			touched = append(touched, known[r.Session.AcctUniqueID].add(r))
		}
	}
	var merged []edge.Record
	for _, y := range touched {
		if len(y.records) == 0 { // it was touched twice
			continue
		}
		all := known[y.records[0].AcctUniqueID]
		was := y.stop
		all.conclude(y)
		if y.inTable && y.wasConcluded && (!y.concluded || *was != *y.stop) {
			if err := reopen(tx, organization, y); err != nil {
				return false, err
			}
		}
		for _, a := range y.records {
			merged = append(merged, edge.Record{Accounting: a})
		}
		y.records = nil
	}
	scope, err := subtree(tx.ctx, tx, organization)
	if err != nil {
		return false, err
	}
	b, err := newBatch(tx, scope, merged)
	if err != nil {
		return false, err
	}
	if told, err = s.mergeSessions(tx, scope, b); err != nil {
		return false, err
	}
	return told, s.closeBooted(tx, organization, news, boots)
}

// noteBoots keeps the boots among the records. It returns all that are known of the records' NASes, and those that were not.
func noteBoots(tx *dbTx, organization int64, records []*RADIUSRecord) (boots map[string][]int64, news []*RADIUSRecord, err error) {
	var nases []string
	for _, r := range records {
		nases = append(nases, r.nas())
		if !r.Boot {
			continue
		}
		const insert = "INSERT INTO radius_boots (organization_id, nas, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
		n, err := tx.affected(insert, organization, r.nas(), micros(r.At))
		if err != nil {
			return nil, nil, err
		}
		if n > 0 {
			news = append(news, r)
		}
		const forget = "DELETE FROM radius_boots WHERE organization_id = ? AND nas = ? AND at < ?"
		if _, err := tx.Exec(forget, organization, r.nas(), micros(r.At.Add(-matchWithin))); err != nil {
			return nil, nil, err
		}
	}
	condition, args := among(tx.d, "nas", distinct(nases))
	rows, err := tx.Query("SELECT nas, at FROM radius_boots WHERE organization_id = "+strconv.FormatInt(organization, 10)+
		" AND "+condition+" ORDER BY nas, at", args...)
	boots = make(map[string][]int64)
	_, err = collect(rows, err, func(row scanner) (struct{}, error) {
		var nas string
		var at int64
		err := row.Scan(&nas, &at)
		boots[nas] = append(boots[nas], at)
		return struct{}{}, err
	})
	return boots, news, err
}

// readStays reads what the table has of the records' sessions.
func readStays(tx *dbTx, organization int64, records []*RADIUSRecord, boots map[string][]int64) (map[string]*stays, error) {
	known := make(map[string]*stays)
	nas := make(map[string]string)
	var uniques []string
	var first, last time.Time
	for _, r := range records {
		if r.Boot {
			continue
		}
		id := r.Session.AcctUniqueID
		if known[id] == nil {
			known[id], uniques = &stays{boots: boots}, append(uniques, id)
		}
		nas[id] = r.nas()
		if b := r.begin(); first.IsZero() || b.Before(first) {
			first = b
		}
		if r.At.After(last) {
			last = r.At
		}
	}
	if len(uniques) == 0 {
		return known, nil
	}
	condition, args := among(tx.d, "acctuniqueid", distinct(uniques))
	rows, err := tx.Query(`SELECT acctuniqueid, acctstarttime, acctupdatetime, acctstoptime, acctterminatecause, acctsessiontime,
			acctinputoctets, acctoutputoctets FROM aaa_accounting WHERE organization_id = `+strconv.FormatInt(organization, 10)+
		" AND "+condition+" AND acctstarttime BETWEEN ? AND ?",
		append(args, micros(first.Add(-matchWithin)), micros(last.Add(matchWithin)))...)
	_, err = collect(rows, err, func(row scanner) (struct{}, error) {
		var id string
		var cause *string
		y := &stay{inTable: true}
		if err := row.Scan(&id, &y.start, &y.last, &y.stop, &cause, &y.time, &y.in, &y.out); err != nil {
			return struct{}{}, err
		}
		y.nas = nas[id]
		y.concluded = y.stop != nil && cause != nil && *cause == nasReboot && known[id].isBoot(y.nas, *y.stop)
		y.wasConcluded = y.concluded
		known[id].list = append(known[id].list, y)
		return struct{}{}, nil
	})
	return known, err
}

// reopen takes a conclusion back, so that the merge can put something else there.
func reopen(tx *dbTx, organization int64, y *stay) error {
	_, err := tx.Exec(`UPDATE aaa_accounting SET acctstoptime = NULL, acctterminatecause = NULL
		WHERE organization_id = ? AND acctuniqueid = ? AND acctstarttime = ?`, organization, y.records[0].AcctUniqueID, y.start)
	return err
}

// closeBooted ends the sessions that NASes had when they booted. How long those had lasted is left as it was last reported:
// when they really ended nobody knows. A boot that is told late takes over what was put down to the one after it.
func (s *Store) closeBooted(tx *dbTx, organization int64, news []*RADIUSRecord, boots map[string][]int64) error {
	slices.SortFunc(news, func(a, b *RADIUSRecord) int { return b.At.Compare(a.At) }) // the last first, each finds the next one's work
	for _, r := range news {
		const end = `UPDATE aaa_accounting SET acctstoptime = ?1, acctterminatecause = '` + nasReboot + `'
			WHERE organization_id = ?2 AND nasipaddress = ?3 AND coalesce(nasidentifier, '') = ?4
				AND acctstarttime < ?1 AND acctupdatetime <= ?1 AND `
		at, all := micros(r.At), boots[r.nas()]
		args := []any{at, organization, r.Session.NASIPAddress, r.Session.NASIdentifier}
		rows, err := tx.Query(end+"acctstoptime IS NULL RETURNING "+endedColumns, args...)
		ended, err := collect(rows, err, scanEnded)
		if err != nil {
			return err
		}
		if err := s.tellEnded(tx, ended); err != nil {
			return err
		}
		i, _ := slices.BinarySearch(all, at+1)
		if i == len(all) {
			continue
		}
		args = append(args, all[i], micros(r.At.Add(-matchWithin)))
		if _, err := tx.Exec(end+"acctstoptime = ?5 AND acctterminatecause = '"+nasReboot+"' AND acctstarttime > ?6", args...); err != nil {
			return err
		}
	}
	return nil
}
