package gwsync

import (
	"context"
	"crypto/md5" //nolint:gosec // FreeRADIUS's key, not a secret
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"gatehouse/api/edge"
	"gatehouse/sessions"
)

// AcctUniqueID is the acctuniqueid of FreeRADIUS 3 (policy.d/accounting): the MD5 of these six attributes. Attributes that
// a session does not have are empty.
func AcctUniqueID(username, acctSessionID, nasIP, nasID, nasPortID, nasPort string) string {
	sum := md5.Sum([]byte(strings.Join([]string{username, acctSessionID, nasIP, nasID, nasPortID, nasPort}, ",")))
	return hex.EncodeToString(sum[:])
}

// record converts an entry; false when it cannot be dated yet.
func (d *dates) record(ctx context.Context, e sessions.OutboxEntry) (r edge.Record, ok bool, err error) {
	r.Seq = e.Seq
	switch {
	case e.Accounting != nil:
		r.Accounting, err = d.accounting(ctx, e.Accounting)
	case e.Transaction != nil:
		r.Transaction, err = d.transaction(ctx, e.Transaction)
	case e.Outcome != nil:
		r.Outcome = &edge.Outcome{Event: e.Outcome.Order, Status: string(e.Outcome.Status), Reason: e.Outcome.Reason}
	}
	return r, r != edge.Record{Seq: e.Seq}, err
}

func (d *dates) accounting(ctx context.Context, rec *sessions.AccountingRecord) (*edge.Accounting, error) {
	s := &rec.Session
	start, ok, err := d.date(ctx, s.StartedAt)
	if !ok || err != nil {
		return nil, err
	}
	at, ok, err := d.date(ctx, rec.At)
	if !ok || err != nil {
		return nil, err
	}
	a := &edge.Accounting{
		AcctStatusType:     string(rec.Kind),
		AcctUniqueID:       AcctUniqueID(s.Username, s.AcctSessionID, s.NASIP, s.NASID, s.Place.NASPortID, ""),
		AcctSessionID:      s.AcctSessionID,
		AcctMultiSessionID: s.AcctMultiSessionID,
		Username:           s.Username,
		UserID:             s.UserID,
		NASIPAddress:       s.NASIP,
		NASIdentifier:      s.NASID,
		NASPortID:          s.Place.NASPortID,
		NASPortType:        "Wireless-802.11",
		AcctStartTime:      start,
		AcctUpdateTime:     later(at, start),
		AcctSessionTime:    seconds(s.Used),
		AcctAuthentic:      "Local",
		AcctInputOctets:    s.Usage.InputOctets,
		AcctOutputOctets:   s.Usage.OutputOctets,
		AcctInputPackets:   s.Usage.InputPackets,
		AcctOutputPackets:  s.Usage.OutputPackets,
		CalledStationID:    s.Place.CalledStationID,
		CallingStationID:   s.Station.MAC.CallingStationID(),
		AcctTerminateCause: string(s.TerminateCause),
		Class:              s.Class,
		VoucherID:          s.VoucherID,
		VoucherFirst:       s.FirstUse,
		LocationID:         s.Place.LocationID,
		LocationName:       s.Place.LocationName,
		AccessPointID:      s.Place.AccessPointID,
		AccessPointName:    s.Place.AccessPointName,
		AccessPointMAC:     s.Place.AccessPointMAC,
		SSID:               s.Place.SSID,
	}
	if rec.Kind == sessions.InterimUpdate {
		a.AcctInterval = seconds(s.Limits.InterimInterval)
	}
	if s.Addr.IsValid() {
		a.FramedIPAddress = s.Addr.Unmap().WithZone("").String()
	}
	if s.StoppedAt != nil {
		stop, ok, err := d.date(ctx, *s.StoppedAt)
		if !ok || err != nil {
			return nil, err
		}
		stop = later(stop, start)
		a.AcctStopTime = &stop
	}
	return a, nil
}

func (d *dates) transaction(ctx context.Context, t *sessions.Transaction) (*edge.Transaction, error) {
	at, ok, err := d.date(ctx, t.At)
	if !ok || err != nil {
		return nil, err
	}
	return &edge.Transaction{
		ID:              t.ID,
		DateTime:        at,
		Type:            string(t.Type),
		Status:          t.Status,
		Message:         t.Message,
		Username:        t.Username,
		UserID:          t.UserID,
		SessionID:       t.AcctSessionID,
		Action:          t.Action,
		PageURL:         t.PageURL,
		Site:            t.NASID,
		UserAgent:       t.UserAgent,
		RemoteIP:        t.Addr,
		MAC:             t.Station.MAC.String(),
		LocationID:      t.Place.LocationID,
		LocationName:    t.Place.LocationName,
		AccessPointID:   t.Place.AccessPointID,
		AccessPointName: t.Place.AccessPointName,
		SSID:            t.Place.SSID,
	}, nil
}

// later keeps a clock that was set back in mid-session from putting the end before the start.
func later(t, start time.Time) time.Time {
	if t.Before(start) {
		return start
	}
	return t
}

// seconds is d to the nearest second, as Acct-Session-Time counts (RFC 2866 §5.7).
func seconds(d time.Duration) int64 { return int64(d.Round(time.Second) / time.Second) }

// profileKey names a profile in the mirror. Its short name would not do: two organisations may use the same one.
func profileKey(id int64) string { return strconv.FormatInt(id, 10) }

func profileKeys(a *edge.Account) []string {
	keys := make([]string, len(a.ProfileIDs))
	for i, id := range a.ProfileIDs {
		keys[i] = profileKey(id)
	}
	return keys
}

// account converts what the centre says about a user now. Profile limits are the mirror's to join.
func account(a *edge.Account, now time.Time) sessions.Account {
	acct := sessions.Account{
		Source:            sessions.SourceCentre,
		UserID:            a.UserID,
		Username:          a.Username,
		CredentialVersion: a.CredentialVersion,
		PlanID:            a.PlanID,
		Active:            a.Active,
		Class:             a.Class,
	}
	if a.Expiration != nil {
		acct.Expiration = a.Expiration.UTC()
	}
	if t := a.TimeBalance; t != nil {
		acct.Lease = &sessions.Lease{ID: t.Lease, Time: inSeconds(t.Seconds), Spent: inSeconds(t.Spent), Grace: inSeconds(t.Grace),
			Ends: t.Ends.UTC()}
		if t.Balance != nil {
			acct.Lease.Balance, acct.Lease.Behind, acct.Lease.Told = inSeconds(*t.Balance), inSeconds(t.Behind), now.UTC()
		}
	}
	for _, e := range a.Elsewhere {
		if e.Period >= 0 && e.Period < len(acct.Elsewhere) {
			acct.Elsewhere[e.Period] = sessions.Mark{Start: e.Start, Used: inSeconds(e.Seconds)}
		}
	}
	return acct
}

func inSeconds(n int64) time.Duration { return time.Duration(n) * time.Second }

func attributes(list []edge.Attribute) []sessions.Attribute {
	out := make([]sessions.Attribute, len(list))
	for i, a := range list {
		out[i] = sessions.Attribute{Name: a.Attribute, Op: a.Op, Value: a.Value}
	}
	return out
}
