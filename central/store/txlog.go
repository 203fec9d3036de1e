package store

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"time"

	"gatehouse/api/gate"
)

// transactionColumns are those that a gateway's record fills; the database itself adds the id and what it knows of the user.
func transactionColumns() []string {
	return []string{"organization_id", "edge_id", "datetime", "type", "status", "message", "user_id", "username", "session_id",
		"site", "page_url", "action", "location_id", "location_name", "access_point_id", "access_point_name", "ssid",
		"user_agent_id", "remote_ip", "mac", "page_id"}
}

// values are in the order of transactionColumns.
func (t *transaction) values(organization int64) []any {
	return []any{organization, t.ID, micros(t.DateTime), t.Type, t.Status, text(t.Message), number(t.UserID), text(t.Username),
		text(t.SessionID), text(t.Site), text(t.PageURL), text(t.Action), number(t.LocationID), text(t.LocationName),
		number(t.AccessPointID), text(t.AccessPointName), text(t.SSID), t.agent, text(t.RemoteIP), text(t.MAC), number(t.page)}
}

// TxFilter narrows the transaction log. Zero fields do not.
type TxFilter struct {
	From, To                    time.Time // both inclusive
	User, Location, AccessPoint int64
	Page                        int64 // of a portal: the verdict that it is of
	Types, Statuses             []string
	MatchesNothing              bool
	Expand                      bool // fill TxLogExpanded
}

// Transactions lists the transaction log, newest first. more tells whether there is something beyond the page.
func (s *Store) Transactions(ctx context.Context, scope Scope, f TxFilter, p Page) (list []gate.TxLog, more bool, err error) {
	if f.MatchesNothing {
		return []gate.TxLog{}, false, nil
	}
	q := f.query(s.d, scope)
	text, args := q.sql(p)
	rows, err := s.lists().QueryContext(ctx, text, args...)
	list, err = collect(rows, err, func(row scanner) (gate.TxLog, error) { return scanTxLog(row, f.Expand) })
	list, more = cutPage(p, list)
	return list, more, s.err("listing transactions", err)
}

func (f *TxFilter) query(d dialect, scope Scope) keyset {
	q := keyset{d: d, table: "txlog_portal", time: "datetime", id: "id", columns: txColumns}
	q.between("t.datetime", f.From, f.To)
	q.equal("t.user_id", f.User)
	q.equal("t.location_id", f.Location)
	q.equal("t.access_point_id", f.AccessPoint)
	q.equal("t.page_id", f.Page)
	q.oneOf("t.status", f.Statuses)
	switch types := distinct(f.Types); {
	case f.index() != "txlog_portal_time":
		q.within(scope, "", f.index())
		q.oneOf("t.type", types)
	case len(types) > 0 && len(scope)*len(types) <= mostBranches:
		q.within(scope, "txlog_portal_type", "")
		q.each("t.type", types)
	default:
		q.within(scope, "txlog_portal_organization", f.index())
		q.oneOf("t.type", types)
	}
	return q
}

func (f *TxFilter) index() string {
	switch {
	case f.Page != 0:
		return "txlog_portal_page"
	case f.User != 0:
		return "txlog_portal_user"
	case f.AccessPoint != 0:
		return "txlog_portal_access_point"
	case f.Location != 0:
		return "txlog_portal_location"
	}
	return "txlog_portal_time"
}

const txColumns = `t.id, t.datetime, t.type, t.organization_id, t.status, t.message, t.user_id, t.username, t.email,
	t.external_id, t.session_id, t.site, t.page_url, t.action, t.location_id, t.location_name, t.access_point_id,
	t.access_point_name, t.ssid, t.user_agent_id, t.remote_ip, t.mac, t.page_id,
	(SELECT a.text FROM user_agents a WHERE a.id = t.user_agent_id),
	t.type = 'ur' OR t.type IN ('ui', 'ai') AND t.datetime = coalesce((SELECT u.first_login FROM users u WHERE u.id = t.user_id), 0)`

func scanTxLog(row scanner, expand bool) (gate.TxLog, error) {
	l := gate.TxLog{Source: "u"}
	x := &gate.TxLogExpanded{}
	var at int64
	err := row.Scan(&l.ID, &at, &l.Type, &l.Organization, &l.Status, &l.Message, &l.User, &l.Username, &l.Email,
		&l.ExternalID, &l.SessionID, &l.Site, &l.PageURL, &l.Action, &l.Location, &l.LocationName, &l.AccessPoint,
		&l.AccessPointName, &l.SSID, &l.UserAgent, &x.RemoteIP, &x.MAC, &l.Page, &x.UserAgentText, &l.NewUser)
	l.DateTime = *gateTime(&at)
	l.RemoteIPAddr, l.MACAddr = addrNumber(x.RemoteIP), macNumber(x.MAC)
	l.CapturedIPAddr = l.RemoteIPAddr // the portal sees the station itself, without a proxy between
	if x.CapturedIP = x.RemoteIP; expand {
		l.TxLogExpanded = x
	}
	return l, err
}

func addrNumber(s *string) *int64 {
	if s == nil {
		return nil
	}
	a, err := netip.ParseAddr(*s)
	if a = a.Unmap(); err != nil || !a.Is4() {
		return nil
	}
	b := a.As4()
	return new(int64(binary.BigEndian.Uint32(b[:])))
}

func macNumber(s *string) *int64 {
	if s == nil {
		return nil
	}
	m, err := net.ParseMAC(*s)
	if err != nil || len(m) != 6 {
		return nil
	}
	var b [8]byte
	copy(b[2:], m)
	return new(int64(binary.BigEndian.Uint64(b[:])))
}
