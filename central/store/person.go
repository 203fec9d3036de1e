package store

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// section is one kind of what is kept about a person.
type section struct {
	name, from string
	columns    string
	args       []any
}

// personSections are everything that is kept about a user, but what nobody can read: hashes of passwords and codes.
func personSections(user int64, auditName string) []section {
	byUser := []any{user}
	return []section{
		{"user", "users t WHERE t.id = ?", `t.id, t.organization_id, t.username, t.email, t.first_name, t.last_name, t.external_id, t.klass, t.description,
			t.is_active, t.avatar_url, t.date_joined, t.first_login, t.last_login, t.expiration, t.api_role`, byUser},
		{"profiles", "user_profiles a JOIN profiles t ON t.id = a.profile_id WHERE a.user_id = ? ORDER BY a.position", "t.id, t.short_name, t.name", byUser},
		{"user_extra", "user_extra t WHERE t.parent = ? ORDER BY t.id", `t.age, t.accept_terms, t.title, t.gender, t.birthday, t.age_range, t.telephone,
			t.address, t.city, t.state, t.postal_code, t.country, t.country_id, t.company, t.tax_id, t.passport_number, t.hometown,
			t.location, t.locale, t.event, t.custom_field_1, t.custom_field_2, t.custom_field_3, t.custom_field_4, t.custom_field_5,
			t.custom_field_6, t.custom_field_7, t.custom_field_8`, byUser},
		{"user_time", "user_time t WHERE t.user_id = ? ORDER BY t.id", "t.kind, t.seconds, t.at, t.expires, t.reason, t.reference, t.session_id", byUser},
		{"user_tokens", "pass_codes t WHERE t.user_id = ?", "t.user_code, t.created", byUser},
		{"devices", "devices t WHERE t.user_id = ? ORDER BY t.id", `t.id, t.number, t.generic_id, t.imei, t.imsi, t.iccid, t.mac_addr,
			t.home_mobile_network_name, t.home_mobile_network_mccmnc, t.username`, byUser},
		{"connection_logs", "connection_logs t JOIN devices d ON d.id = t.device_id WHERE d.user_id = ? ORDER BY t.at, t.id", `t.device_id, t.at, t.failed,
			t.network_security, t.bssid, t.cellid, t.roaming, t.latitude, t.longitude, t.inbytes, t.outbytes, t.duration`, byUser},
		{"test_reports", "test_reports t JOIN devices d ON d.id = t.device_id WHERE d.user_id = ? ORDER BY t.at, t.id",
			"t.device_id, t.at, t.failed, t.test_type, t.destination, t.value, t.count, t.unit", byUser},
		{"portal_logins", "portal_logins t WHERE t.user_id = ? ORDER BY t.id", "t.uid, t.ap_mac, t.mac, t.ip, t.original_url, t.location_id, t.created", byUser},
		{"sessions", "aaa_accounting t WHERE t.user_id = ? ORDER BY t.acctstarttime, t.radacctid", `t.radacctid, t.acctsessionid, t.acctuniqueid, t.username,
			t.organization_id, t.nasidentifier, t.nasipaddress, t.acctstarttime, t.acctupdatetime, t.acctstoptime, t.acctsessiontime, t.acctinputoctets,
			t.acctoutputoctets, t.acctinputpackets, t.acctoutputpackets, t.calledstationid, t.callingstationid, t.acctterminatecause,
			t.framedipaddress, t.klass, t.location_id, t.location_name, t.access_point_id, t.access_point_name, t.ssid`, byUser},
		{"transactions", "txlog_portal t LEFT JOIN user_agents a ON a.id = t.user_agent_id WHERE t.user_id = ? ORDER BY t.datetime, t.id",
			`t.id, t.organization_id, t.datetime, t.type, t.status, t.message, t.username, t.email, t.external_id, t.session_id, t.site, t.page_url,
			t.action, t.location_id, t.location_name, t.access_point_id, t.access_point_name, t.ssid, t.remote_ip, t.mac, a.text`, byUser},
		{"audit", "audit_log t WHERE t.object_id = ? ORDER BY t.id", "t.at, t.action, t.object, t.changes", []any{auditName}},
	}
}

// ExportPerson writes a JSON object with everything that is kept about a user of the scope, at one moment: a list for each
// kind. What is read is noted in the audit log.
func (s *Store) ExportPerson(ctx context.Context, scope Scope, user int64, to io.Writer) error {
	var auditName string
	err := s.write(ctx, "exporting person", func(tx *dbTx) error {
		var organization int64
		q := "SELECT organization_id FROM users WHERE id = ? AND " + scope.in("organization_id")
		if err := tx.QueryRow(q, user).Scan(&organization); err != nil {
			return err
		}
		key, err := personKey(tx, user)
		if err != nil {
			return err
		}
		auditName = pseudonym(key)
		return tx.auditPerson("person_export", user, organization, nil, map[string]any{"status": "exported"})
	})
	if err != nil {
		return err
	}
	err = s.snapshot(ctx, func(q querier) error {
		if _, err := fmt.Fprintf(to, "{\"exported\": %q", s.now().UTC().Format(time.RFC3339)); err != nil {
			return err
		}
		for _, p := range personSections(user, auditName) {
			if err := p.write(ctx, q, to); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
		}
		_, err := io.WriteString(to, "}\n")
		return err
	})
	return s.err("exporting person", err)
}

func (p section) write(ctx context.Context, q querier, to io.Writer) error {
	rows, err := q.QueryContext(ctx, "SELECT "+p.columns+" FROM "+p.from, p.args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	if _, err := fmt.Fprintf(to, ",\n%q: [", p.name); err != nil {
		return err
	}
	names := columnNames(p.columns)
	for first := true; rows.Next(); first = false {
		raw, err := rawValues(rows, len(names))
		if err != nil {
			return err
		}
		line, err := rowJSON(names, shown(raw, names))
		if err != nil {
			return err
		}
		if !first {
			line = append([]byte(",\n  "), line...)
		}
		if _, err := to.Write(line); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	_, err = io.WriteString(to, "]")
	return err
}

// rowJSON is a row as a JSON object with its fields in order.
func rowJSON(names []string, values []any) ([]byte, error) {
	line := []byte("{")
	for i, name := range names {
		if i > 0 {
			line = append(line, ", "...)
		}
		if name == "text" {
			name = "user_agent"
		}
		text, err := json.Marshal(values[i])
		if err != nil {
			return nil, err
		}
		line = append(line, fmt.Sprintf("%q: %s", name, text)...)
	}
	return append(line, '}'), nil
}
