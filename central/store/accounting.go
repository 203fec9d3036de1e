package store

import (
	"context"
	"strings"
	"time"

	"gatehouse/api/gate"
)

// The states of a session that a list may be narrowed to.
const (
	Active   = "active"
	Inactive = "inactive"
)

// AcctFilter narrows a list of sessions. Zero fields do not.
type AcctFilter struct {
	From, To                    time.Time // of acctstarttime, both inclusive
	User, Location, AccessPoint int64
	Client                      int64  // a gateway
	Status                      string // Active, Inactive or empty
	MatchesNothing              bool
}

// Accounting lists sessions, those that began last first. more tells whether there is something beyond the page.
func (s *Store) Accounting(ctx context.Context, scope Scope, f AcctFilter, p Page) (list []gate.AcctRecord, more bool, err error) {
	if f.MatchesNothing {
		return []gate.AcctRecord{}, false, nil
	}
	q := f.query(s.d, scope)
	text, args := q.sql(p)
	rows, err := s.lists().QueryContext(ctx, text, args...)
	list, err = collect(rows, err, scanAcct)
	list, more = cutPage(p, list)
	return list, more, s.err("listing accounting", err)
}

func (f *AcctFilter) query(d dialect, scope Scope) keyset {
	q := keyset{d: d, table: "aaa_accounting", time: "acctstarttime", id: "radacctid", columns: acctColumns}
	q.within(scope, f.ownIndex(), f.index())
	q.between("t.acctstarttime", f.From, f.To)
	q.equal("t.user_id", f.User)
	q.equal("t.location_id", f.Location)
	q.equal("t.access_point_id", f.AccessPoint)
	q.equal("t.gateway_id", f.Client)
	switch f.Status {
	case Active:
		q.and("t.acctstoptime IS NULL")
	case Inactive:
		q.and("t.acctstoptime IS NOT NULL")
	}
	return q
}

// index is the one by which the rows come out in order.
func (f *AcctFilter) index() string {
	switch {
	case f.User != 0:
		return "aaa_accounting_user"
	case f.Client != 0:
		return "aaa_accounting_gateway"
	case f.AccessPoint != 0:
		return "aaa_accounting_access_point"
	case f.Location != 0:
		return "aaa_accounting_location"
	case f.Status == Active:
		return "aaa_accounting_open_time"
	}
	return "aaa_accounting_time"
}

// ownIndex is the one of one organisation's rows; empty where index is as good.
func (f *AcctFilter) ownIndex() string {
	switch {
	case f.User != 0 || f.Client != 0 || f.AccessPoint != 0 || f.Location != 0:
		return ""
	case f.Status == Active:
		return "aaa_accounting_open"
	}
	return "aaa_accounting_organization"
}

// AccountingRecord returns one session of the scope.
func (s *Store) AccountingRecord(ctx context.Context, scope Scope, radacctid int64) (gate.AcctRecord, error) {
	q := "SELECT " + acctColumns + ` FROM aaa_accounting t
		WHERE t.radacctid = ? AND t.acctstarttime >= ? AND t.acctstarttime < ? AND ` + scope.in("t.organization_id")
	second := secondOf(radacctid)
	r, err := scanAcct(s.read().QueryRowContext(ctx, q, radacctid, second, second+1e6))
	return r, s.err("reading accounting", err)
}

const acctColumns = `t.radacctid, t.acctsessionid, t.acctuniqueid, t.username, t.nasipaddress, t.nasportid, t.nasporttype,
	t.acctstarttime, t.acctupdatetime, t.acctstoptime, t.acctinterval, t.acctsessiontime, t.acctauthentic,
	t.acctinputoctets, t.acctoutputoctets, t.calledstationid, t.callingstationid, t.acctterminatecause, t.servicetype,
	t.framedipaddress, t.organization_id, t.user_id, t.location_id, t.access_point_id, t.access_point_name,
	t.location_name, t.nasidentifier, t.klass, t.access_point_mac_addr, t.ssid, t.groupname, t.connectinfo_start, t.connectinfo_stop,
	t.framedprotocol, t.gateway_id, (SELECT g.nas_identifier FROM gateways g WHERE g.id = t.gateway_id),
	(SELECT x.id FROM txlog_portal x WHERE x.organization_id = t.organization_id AND x.edge_id = t.user_transaction
	 AND x.datetime BETWEEN t.acctstarttime - 86400000000 AND t.acctstarttime + 86400000000)`

func scanAcct(row scanner) (gate.AcctRecord, error) {
	var r gate.AcctRecord
	var organization, start int64
	var update, stop, user, location, accessPoint, client, transaction *int64
	err := row.Scan(&r.RadAcctID, &r.AcctSessionID, &r.AcctUniqueID, &r.Username, &r.NASIPAddress, &r.NASPortID, &r.NASPortType,
		&start, &update, &stop, &r.AcctInterval, &r.AcctSessionTime, &r.AcctAuthentic,
		&r.AcctInputOctets, &r.AcctOutputOctets, &r.CalledStationID, &r.CallingStationID, &r.AcctTerminateCause, &r.ServiceType,
		&r.FramedIPAddress, &organization, &user, &location, &accessPoint, &r.AccessPointName,
		&r.LocationName, &r.NASIdentifier, &r.Klass, &r.AccessPointMACAddr, &r.SSID, &r.GroupName, &r.ConnectInfoStart,
		&r.ConnectInfoStop, &r.FramedProtocol, &client, &r.ClientShortName, &transaction)
	r.AcctStartTime, r.AcctUpdateTime, r.AcctStopTime = *gateTime(&start), gateTime(update), gateTime(stop)
	r.OrganizationID = gate.ID{Prefix: gate.OrganizationPrefix, N: organization}
	r.UserID = gateID(gate.UserPrefix, user)
	r.UserTransactionID = gateID(gate.TransactionPrefix, transaction)
	r.LocationID = gateID(gate.LocationPrefix, location)
	r.AccessPointID = gateID(gate.AccessPointPrefix, accessPoint)
	r.ClientID = gateID(gate.ClientPrefix, client)
	if at := strings.LastIndexByte(r.Username, '@'); at >= 0 && at < len(r.Username)-1 {
		r.Realm = new(r.Username[at+1:])
	}
	return r, err
}

func gateID(prefix string, n *int64) *gate.ID {
	if n == nil {
		return nil
	}
	return &gate.ID{Prefix: prefix, N: *n}
}
