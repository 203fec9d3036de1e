package store

import (
	"context"
	"errors"
	"strconv"
	"time"

	"gatehouse/api/edge"
	"gatehouse/api/gate"
)

// PortalVerdict is what a portal outside says of a station.
type PortalVerdict struct {
	gate.PortalLogin
	UserID  int64  // of the account that has this uid; 0: none
	Token   int64  // whose portal it is
	Refused string // why the account may not log in; empty: it may
}

// ErrNoGateway says that no gateway is known that could have the station.
var ErrNoGateway = errors.New("no gateway is known behind the access point")

const (
	// portalWithin is how long it makes sense to let a station in: the guest is waiting.
	portalWithin = 2 * time.Minute
	// maxAsked is how many gateways are asked for a station when none is known behind the access point.
	maxAsked = 16
	// liveWithin is how long ago a gateway was heard of that will hear of a change at once.
	liveWithin = 3 * time.Minute
)

// PortalLogin keeps the verdict, with its line in the transaction log, and tells the gateways that may have the station to let it in.
// It returns the id of the portal page and the numbers of the actions that gateways who are listening were given.
func (s *Store) PortalLogin(ctx context.Context, scope Scope, v PortalVerdict) (page int64, actions []int64, err error) {
	now := s.now()
	if err := s.db.prepare(ctx, []time.Time{now}); err != nil {
		return 0, nil, s.err("making room for a portal login", err)
	}
	err = s.write(ctx, "keeping portal login", func(tx *dbTx) error {
		w := whereabouts{mac: &v.APMAC}
		known, err := findPlaces(tx, scope, nil, []string{w.macKey()}, nil)
		if err != nil {
			return err
		}
		point := known.byMAC[w.macKey()]
		if page, err = insertPortalLogin(tx, scope.Own(), v, point, micros(now)); err != nil {
			return err
		}
		if err := s.portalTransaction(tx, scope, v, point, page, now); err != nil || v.Refused != "" {
			return err
		}
		actions, err = s.askGateways(tx, scope, v, point, now)
		return err
	})
	s.wake(err)
	return page, actions, err
}

func insertPortalLogin(tx *dbTx, organization int64, v PortalVerdict, point *placed, now int64) (page int64, err error) {
	if point == nil {
		point = new(placed)
	}
	const insert = `INSERT INTO portal_logins (organization_id, token_id, uid, user_id, ap_mac, mac, ip, original_url, controller_address,
			session_timeout, idle_timeout, access_point_id, location_id, created)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`
	err = tx.QueryRow(insert, organization, v.Token, v.UID, number(v.UserID), v.APMAC, v.MAC, v.IP, v.OriginalURL, v.ControllerAddress,
		v.SessionTimeout, v.IdleTimeout, number(point.id), point.location, now).Scan(&page)
	if err != nil {
		return 0, err
	}
	return page, tx.audit("portal_login", page, organization, nil, map[string]any{"session_timeout": v.SessionTimeout,
		"idle_timeout": v.IdleTimeout, "access_point": number(point.id), "refused": text(v.Refused)})
}

// portalTransaction is the verdict's line in the transaction log. The login itself is told by the gateway that lets the station in.
func (s *Store) portalTransaction(tx *dbTx, scope Scope, v PortalVerdict, point *placed, page int64, now time.Time) error {
	t := edge.Transaction{ID: "portal login " + strconv.FormatInt(page, 10), DateTime: now, Type: "ua", Status: "h201", Message: "Let in by a portal",
		Username: v.UID, UserID: v.UserID, RemoteIP: v.IP, MAC: v.MAC, Action: "li"}
	if v.Refused != "" {
		t.Status, t.Message = "u401", v.Refused
	}
	if point != nil {
		t.AccessPointID = point.id
	}
	b, err := newBatch(tx, scope, []edge.Record{{Transaction: &t}})
	if err != nil {
		return err
	}
	b.transactions[0].page = page
	return s.db.insertTransactions(tx, b)
}

// asked is a gateway that may have a station.
type asked struct {
	id, organization int64
	seen             int64 // when it was last heard of
}

// gatewaysBehind are the gateways that may have the stations of an access point: that of the last session at it, and those in its
// location; where neither is known, all of the scope, when they are few.
func gatewaysBehind(tx *dbTx, scope Scope, point *placed) ([]asked, error) {
	const columns = "SELECT g.id, g.organization_id, coalesce(g.last_seen, 0) FROM gateways g WHERE g.revoked IS NULL AND "
	scan := func(row scanner) (a asked, err error) {
		err = row.Scan(&a.id, &a.organization, &a.seen)
		return a, err
	}
	if point != nil {
		rows, err := tx.Query(columns+scope.in("g.organization_id")+` AND (g.location_id = ? OR g.id = (
			SELECT t.gateway_id FROM aaa_accounting t WHERE t.access_point_id = ? ORDER BY t.acctstarttime DESC, t.radacctid DESC LIMIT 1))
			ORDER BY g.id LIMIT ?`, point.location, point.id, maxAsked)
		list, err := collect(rows, err, scan)
		if err != nil || len(list) > 0 {
			return list, err
		}
	}
	rows, err := tx.Query(columns+scope.in("g.organization_id")+" ORDER BY g.id LIMIT ?", maxAsked+1)
	list, err := collect(rows, err, scan)
	if err == nil && (len(list) == 0 || len(list) > maxAsked) {
		err = ErrNoGateway
	}
	return list, err
}

func (s *Store) askGateways(tx *dbTx, scope Scope, v PortalVerdict, point *placed, now time.Time) (actions []int64, err error) {
	gateways, err := gatewaysBehind(tx, scope, point)
	if err != nil {
		return nil, err
	}
	admit := edge.Admit{MAC: v.MAC, Username: v.UID, UserID: v.UserID, SessionTimeout: v.SessionTimeout, IdleTimeout: v.IdleTimeout}
	for _, g := range gateways {
		id, err := s.admitStation(tx, g.id, g.organization, admit, portalWithin)
		if err != nil {
			return nil, err
		}
		if g.seen >= micros(now.Add(-liveWithin)) {
			actions = append(actions, id)
		}
	}
	return actions, nil
}
