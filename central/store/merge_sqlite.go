package store

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// nextID is the expression for the next id in the second that begins with parameter 1.
func nextID(table, column string) string {
	return fmt.Sprintf("coalesce((SELECT max(%[2]s) + 1 FROM %[1]s WHERE %[2]s BETWEEN ?1 AND ?1 + %[3]d), ?1)",
		table, column, 1<<sequenceBits-1)
}

// prepare: one table holds all times.
func (*sqliteEngine) prepare(context.Context, []time.Time) error { return nil }
func (*sqliteEngine) unprepared(error) bool                      { return false }

func (*sqliteEngine) insertTransactions(tx *dbTx, b *batch) error {
	columns := transactionColumns()
	insert := "INSERT INTO txlog_portal (id, " + strings.Join(columns, ", ") + ", email, external_id) VALUES (" +
		nextID("txlog_portal", "id") + strings.Repeat(", ?", len(columns)) + fmt.Sprintf(`,
			(SELECT email FROM users WHERE id = ?%[1]d), (SELECT external_id FROM users WHERE id = ?%[1]d))
		ON CONFLICT (organization_id, edge_id, datetime) DO NOTHING`, len(columns)+2)
	for _, t := range b.transactions {
		args := append([]any{radacctBase(t.DateTime)}, t.values(b.organization)...)
		n, err := tx.affected(insert, append(args, number(t.UserID))...)
		if err != nil {
			return err
		}
		b.news[t.given] = n > 0
	}
	return nil
}

func (*sqliteEngine) mergeSessions(tx *dbTx, b *batch) error {
	if len(b.sessions) == 0 {
		return nil
	}
	columns := accountingColumns()
	upsert, err := tx.tx.Prepare(mergeSQL(tx.d, columns, "VALUES ("+nextID("aaa_accounting", "radacctid")+
		strings.Repeat(", ?", len(columns))+")"))
	if err != nil {
		return err
	}
	defer upsert.Close()
	for _, m := range b.sessions {
		done, err := upsert.Exec(append([]any{radacctBase(m.acct.AcctStartTime)}, values(b.organization, m)...)...)
		if err != nil {
			return err
		}
		n, err := done.RowsAffected()
		if err != nil {
			return err
		}
		for _, i := range m.given {
			b.news[i] = n > 0
		}
	}
	return nil
}
