package store

import (
	"slices"
	"strings"

	"gatehouse/api/edge"
)

// The rule by which records of one session become one row, whatever their order and however often they come: what grows
// takes the greatest, what is said once is taken from the first that says it, and the key never changes. merge does it in
// memory for the records of one batch, mergeSQL for the batch and what the database has; both know the same fields.

// merge makes into what the two records say together and tells whether that is more than into said before.
func merge(into, r *edge.Accounting) (more bool) {
	if r.AcctUpdateTime.After(into.AcctUpdateTime) {
		into.AcctUpdateTime, more = r.AcctUpdateTime, true
	}
	for _, n := range []struct{ to, from *int64 }{
		{&into.AcctSessionTime, &r.AcctSessionTime},
		{&into.AcctInterval, &r.AcctInterval},
	} {
		if *n.from > *n.to {
			*n.to, more = *n.from, true
		}
	}
	for _, n := range []struct{ to, from *uint64 }{
		{&into.AcctInputOctets, &r.AcctInputOctets},
		{&into.AcctOutputOctets, &r.AcctOutputOctets},
		{&into.AcctInputPackets, &r.AcctInputPackets},
		{&into.AcctOutputPackets, &r.AcctOutputPackets},
	} {
		if *n.from > *n.to {
			*n.to, more = *n.from, true
		}
	}
	if into.AcctStopTime == nil && r.AcctStopTime != nil {
		into.AcctStopTime, more = r.AcctStopTime, true
	}
	return fill(into, r) || more
}

func fill(into, r *edge.Accounting) (more bool) {
	for _, n := range []struct{ to, from *int64 }{
		{&into.UserID, &r.UserID},
		{&into.LocationID, &r.LocationID},
		{&into.AccessPointID, &r.AccessPointID},
	} {
		if *n.to == 0 && *n.from != 0 {
			*n.to, more = *n.from, true
		}
	}
	to, from := once(into), once(r)
	for i := range to {
		if *to[i] == "" && *from[i] != "" {
			*to[i], more = *from[i], true
		}
	}
	return more
}

// once are the texts that are said once, in the order of onceColumns.
func once(a *edge.Accounting) []*string {
	return []*string{&a.AcctTerminateCause, &a.AcctMultiSessionID, &a.NASIdentifier, &a.NASPortID, &a.NASPortType,
		&a.AcctAuthentic, &a.CalledStationID, &a.CallingStationID, &a.ServiceType, &a.FramedProtocol, &a.FramedIPAddress,
		&a.ConnectInfoStart, &a.ConnectInfoStop, &a.GroupName, &a.Class, &a.LocationName, &a.AccessPointName, &a.AccessPointMAC, &a.SSID, &a.UserTransactionID}
}

func onceColumns() []string {
	return []string{"acctterminatecause", "acctmultisessionid", "nasidentifier", "nasportid", "nasporttype",
		"acctauthentic", "calledstationid", "callingstationid", "servicetype", "framedprotocol", "framedipaddress",
		"connectinfo_start", "connectinfo_stop", "groupname", "klass",
		"location_name", "access_point_name", "access_point_mac_addr", "ssid", "user_transaction"}
}

// values are one session's values in the order of accountingColumns.
func values(organization int64, m *session) []any {
	a := &m.acct
	list := []any{organization, a.AcctUniqueID, micros(a.AcctStartTime), a.AcctSessionID, a.Username, a.NASIPAddress,
		micros(a.AcctUpdateTime), a.AcctSessionTime, a.AcctInputOctets, a.AcctOutputOctets, a.AcctInputPackets, a.AcctOutputPackets,
		number(a.AcctInterval), moment(a.AcctStopTime), number(a.UserID), number(a.LocationID), number(a.AccessPointID), number(m.gateway)}
	for _, v := range once(a) {
		list = append(list, text(*v))
	}
	return list
}

// The columns by how they merge. The key stays as it is.
func keyColumns() []string {
	return []string{"organization_id", "acctuniqueid", "acctstarttime", "acctsessionid", "username", "nasipaddress"}
}

func growingColumns() []string {
	return []string{"acctupdatetime", "acctsessiontime", "acctinputoctets", "acctoutputoctets", "acctinputpackets", "acctoutputpackets"}
}

func saidColumns() []string {
	return append([]string{"acctstoptime", "user_id", "location_id", "access_point_id", "gateway_id"}, onceColumns()...)
}

// accountingColumns are all but radacctid.
func accountingColumns() []string {
	return slices.Concat(keyColumns(), growingColumns(), []string{"acctinterval"}, saidColumns())
}

// textColumns are the columns of accounting and of the transaction log that hold text; all others hold numbers.
func textColumns() map[string]bool {
	set := make(map[string]bool)
	for _, c := range slices.Concat(onceColumns(), []string{"acctuniqueid", "acctsessionid", "username", "nasipaddress",
		"edge_id", "type", "status", "message", "session_id", "site", "page_url", "action", "remote_ip", "mac"}) {
		set[c] = true
	}
	return set
}

// heardAgain: the stop was only inferred (CloseLost), and now somebody says more. A stop that is said counts instead; without
// one the session runs on.
const heardAgain = "t.stop_inferred AND (excluded.acctstoptime IS NOT NULL OR excluded.acctupdatetime > t.acctupdatetime)"

// mergeSQL inserts sessions from source, which gives radacctid and then the columns, or merges into what is there. A row
// that would stay as it is counts as not affected.
func mergeSQL(d dialect, columns []string, source string) string {
	set := []string{"acctinterval = " + d.greatest("coalesce(t.acctinterval, excluded.acctinterval)", "coalesce(excluded.acctinterval, t.acctinterval)")}
	differs := []string{"coalesce(excluded.acctinterval, 0) > coalesce(t.acctinterval, 0)"}
	for _, c := range growingColumns() {
		set = append(set, c+" = "+d.greatest("t."+c, "excluded."+c))
		differs = append(differs, "excluded."+c+" > t."+c)
	}
	for _, c := range saidColumns() {
		value := "coalesce(t." + c + ", excluded." + c + ")"
		if c == "acctstoptime" || c == "acctterminatecause" {
			value = "CASE WHEN " + heardAgain + " THEN excluded." + c + " ELSE " + value + " END"
		}
		set = append(set, c+" = "+value)
		differs = append(differs, "t."+c+" IS NULL AND excluded."+c+" IS NOT NULL")
	}
	set = append(set, "stop_inferred = t.stop_inferred AND NOT ("+heardAgain+")")
	differs = append(differs, heardAgain)
	return "INSERT INTO aaa_accounting AS t (radacctid, " + strings.Join(columns, ", ") + ") " + source +
		" ON CONFLICT (organization_id, acctuniqueid, acctstarttime) DO UPDATE SET " + strings.Join(set, ", ") +
		" WHERE " + strings.Join(differs, " OR ")
}
