package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse/api/admin"
	"gatehouse/api/edge"
)

// keptFor is how long gateways go on knowing a voucher that can be used no longer, so that they can tell its guest why.
const keptFor = 30 * 24 * time.Hour

// edgeVouchers puts the vouchers among the entries into their places, as the gateway needs them; one that is gone, or of no use for
// long, is a tombstone. They are read together: a print run brings thousands.
func (s *Store) edgeVouchers(ctx context.Context, q querier, g Gateway, entries []entry, changes []edge.Change) error {
	var ids []string
	for _, e := range entries {
		if e.kind == voucherKind {
			ids = append(ids, strconv.FormatInt(e.id, 10))
		}
	}
	if len(ids) == 0 {
		return nil
	}
	columns := `t.id, t.plan_id, t.hash, t.revoked IS NOT NULL, t.valid_until, t.extra_seconds, t.extra_octets, t.first_used,
		t.used_seconds, t.used_octets, coalesce((SELECT sum(v.seconds) FROM voucher_sessions v WHERE v.voucher_id = t.id AND v.gateway_id = ?), 0),
		(SELECT ` + q.speaks().sum("v.octets") + ` FROM voucher_sessions v WHERE v.voucher_id = t.id AND v.gateway_id = ?),
		coalesce(t.revoked, t.last_used, t.created) < ? AND NOT (` + openSQL + ")"
	now := micros(s.now())
	find := "SELECT " + columns + " FROM vouchers t WHERE t.id IN (" + strings.Join(ids, ",") + ") AND " + g.Scope.in("t.organization_id")
	rows, err := q.QueryContext(ctx, find, g.ID, g.ID, micros(s.now().Add(-keptFor)), now, now, now)
	list, err := collect(rows, err, scanEdgeVoucher)
	if err != nil {
		return err
	}
	known := make(map[int64]*edge.Voucher, len(list))
	for i := range list {
		if !list[i].gone {
			known[list[i].ID] = &list[i].Voucher
		}
	}
	for i, e := range entries {
		switch v := known[e.id]; {
		case e.kind != voucherKind:
		case v != nil:
			changes[i] = edge.Change{Voucher: v}
		default:
			changes[i] = edge.Change{DeletedVoucher: e.id}
		}
	}
	return nil
}

type edgeVoucher struct {
	edge.Voucher
	gone bool
}

func scanEdgeVoucher(row scanner) (v edgeVoucher, err error) {
	var until, first *int64
	var seconds, octets int64
	err = row.Scan(&v.ID, &v.PlanID, &v.Hash, &v.Revoked, &until, &v.ExtraSeconds, &v.ExtraOctets, &first,
		&seconds, &octets, &v.HereSeconds, &v.HereOctets, &v.gone)
	v.ValidUntil, v.FirstUsed = timeOf(until), timeOf(first)
	v.ElsewhereSeconds, v.ElsewhereOctets = seconds-v.HereSeconds, octets-v.HereOctets
	return v, err
}

// settleVouchers takes what the sessions of a batch have used into their vouchers. Whatever comes again, in any order, changes
// nothing: a voucher's use is the sum of its sessions' greatest. Gateways are told of a first use and of ends: told says so.
func (s *Store) settleVouchers(tx *dbTx, scope Scope, batch []*session) (told bool, err error) {
	list := slices.DeleteFunc(slices.Clone(batch), func(m *session) bool { return m.acct.VoucherID == 0 })
	slices.SortStableFunc(list, func(a, b *session) int { return cmp.Compare(a.acct.VoucherID, b.acct.VoucherID) }) // as all do
	for len(list) > 0 {
		n := slices.IndexFunc(list, func(m *session) bool { return m.acct.VoucherID != list[0].acct.VoucherID })
		if n < 0 {
			n = len(list)
		}
		news, err := s.settleVoucher(tx, scope, list[:n])
		if err != nil {
			return false, err
		}
		told, list = told || news, list[n:]
	}
	return told, nil
}

// voucherUse is what a voucher's sessions make of it.
type voucherUse struct {
	first           *int64
	seconds, octets int64
	doubled         bool
}

// settleVoucher takes in sessions of one voucher. One that is unknown, or of other organisations, is no voucher of ours.
func (s *Store) settleVoucher(tx *dbTx, scope Scope, list []*session) (told bool, err error) {
	var organization int64
	var before, after voucherUse
	id := list[0].acct.VoucherID
	// It writes nothing new, but the sum below must not miss what another process writes at the same time.
	lock := "UPDATE vouchers SET used_seconds = used_seconds WHERE id = ? AND " + scope.in("organization_id") +
		" RETURNING organization_id, first_used, used_seconds, used_octets, doubled"
	err = tx.QueryRow(lock, id).Scan(&organization, &before.first, &before.seconds, &before.octets, &before.doubled)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	ended := false
	for _, m := range list {
		ended = ended || m.acct.AcctStopTime != nil
		if err := putVoucherSession(tx, scope, &m.acct); err != nil {
			return false, err
		}
	}
	sum := `UPDATE vouchers SET (used_seconds, used_octets, first_used, last_used) =
			(SELECT sum(v.seconds), ` + tx.d.sum("v.octets") + `, min(v.acctstarttime), max(coalesce(v.stopped, v.acctstarttime + v.seconds * 1000000))
			 FROM voucher_sessions v WHERE v.voucher_id = vouchers.id),
			doubled = (SELECT count(DISTINCT v.gateway_id) > 1 FROM voucher_sessions v WHERE v.voucher_id = vouchers.id AND v.claimed)
		WHERE id = ? RETURNING first_used, used_seconds, used_octets, doubled`
	if err := tx.QueryRow(sum, id).Scan(&after.first, &after.seconds, &after.octets, &after.doubled); err != nil {
		return false, err
	}
	used := after.seconds != before.seconds || after.octets != before.octets
	if before.first != nil && *before.first == *after.first && before.doubled == after.doubled && !(ended && used) {
		return false, nil
	}
	if before.first == nil {
		if err := s.tellRedeemed(tx, organization, id, list); err != nil {
			return false, err
		}
	}
	return true, changed(tx, voucherKind, id, organization)
}

// tellRedeemed tells webhooks of a voucher's first session.
func (s *Store) tellRedeemed(tx *dbTx, organization, id int64, list []*session) error {
	first := slices.MinFunc(list, func(a, b *session) int { return a.acct.AcctStartTime.Compare(b.acct.AcctStartTime) })
	return s.tell(tx, event{kind: admin.VoucherRedeemed, organization: organization, once: strconv.FormatInt(id, 10),
		data: admin.Redeemed{ID: id, Session: sessionOf(first)}})
}

func putVoucherSession(tx *dbTx, scope Scope, a *edge.Accounting) error {
	put := `INSERT INTO voucher_sessions (voucher_id, acctuniqueid, acctstarttime, gateway_id, station, claimed, seconds, octets, stopped)
		VALUES (?, ?, ?, coalesce((SELECT id FROM gateways WHERE organization_id = ? AND nas_identifier = ?), 0), ?, ?, ?, ?, ?)
		ON CONFLICT (voucher_id, acctuniqueid, acctstarttime) DO UPDATE SET
			claimed = voucher_sessions.claimed OR excluded.claimed,
			seconds = ` + tx.d.greatest("voucher_sessions.seconds", "excluded.seconds") + `,
			octets = ` + tx.d.greatest("voucher_sessions.octets", "excluded.octets") + `,
			stopped = coalesce(voucher_sessions.stopped, excluded.stopped)`
	_, err := tx.Exec(put, a.VoucherID, a.AcctUniqueID, micros(a.AcctStartTime), scope.Own(), a.NASIdentifier, a.CallingStationID,
		a.VoucherFirst, a.AcctSessionTime, int64(min(a.AcctInputOctets+a.AcctOutputOctets, 1<<62)), moment(a.AcctStopTime))
	return err
}
