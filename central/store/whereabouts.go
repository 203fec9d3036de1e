package store

import (
	"cmp"
	"slices"
	"strings"

	"gatehouse/sessions"
)

// whereabouts are a record's fields about where it comes from, filled in place.
type whereabouts struct {
	location, point         *int64
	locationName, pointName *string
	mac                     *string // of the access point; nil where the record has none
	called                  string  // Called-Station-Id
}

// whereabouts are those of every record of the batch.
func (b *batch) whereabouts() []whereabouts {
	list := make([]whereabouts, 0, len(b.sessions)+len(b.transactions))
	for _, m := range b.sessions {
		a := &m.acct
		list = append(list, whereabouts{&a.LocationID, &a.AccessPointID, &a.LocationName, &a.AccessPointName, &a.AccessPointMAC, a.CalledStationID})
	}
	for _, t := range b.transactions {
		list = append(list, whereabouts{&t.LocationID, &t.AccessPointID, &t.LocationName, &t.AccessPointName, nil, ""})
	}
	return list
}

// resolvePlaces fills in what records do not say of where they come from, out of the places of the gateway's organisations: an
// access point that a record names by id, by MAC address (its own field, or Called-Station-Id) or by name, and the location
// that this is in. A name that several access points have names none. One query a batch, none for records that say it all.
func (b *batch) resolvePlaces(tx *dbTx, scope Scope) error {
	var ids []int64
	var macs, names []string
	all := b.whereabouts()
	for _, w := range all {
		if *w.point != 0 && (*w.pointName == "" || *w.location == 0 || *w.locationName == "") {
			ids = append(ids, *w.point)
		}
		if *w.location != 0 && *w.locationName == "" {
			ids = append(ids, *w.location)
		}
		if mac := w.macKey(); mac != "" && *w.point == 0 {
			macs = append(macs, mac)
		}
		if *w.point == 0 && *w.pointName != "" {
			names = append(names, *w.pointName)
		}
	}
	if len(ids)+len(macs)+len(names) == 0 {
		return nil
	}
	known, err := findPlaces(tx, scope, distinct(ids), distinct(macs), distinct(names))
	if err != nil || len(known.byID) == 0 {
		return err
	}
	for _, w := range all {
		known.fill(w)
	}
	return nil
}

// macKey is the access point's MAC address as places have it, empty when the record has none.
func (w *whereabouts) macKey() string {
	text := w.called
	if w.mac != nil && *w.mac != "" {
		text = *w.mac
	}
	for _, n := range []int{17, 14, 12} { // 00-1A-2B-3C-4D-5E, 001a.2b3c.4d5e, 001a2b3c4d5e, each with :ssid or without
		if len(text) == n || len(text) > n && text[n] == ':' {
			if mac, err := sessions.ParseMAC(text[:n]); err == nil {
				return strings.ToUpper(mac.String())
			}
		}
	}
	return ""
}

// placed is an access point or a location as records need it.
type placed struct {
	id, organization int64
	kind             PlaceKind
	name, shortName  string
	mac              *string
	location         *int64
	locationName     *string
}

// knownPlaces are the places that a batch may mean.
type knownPlaces struct {
	byID   map[int64]*placed
	byMAC  map[string]*placed
	byName map[string]*placed // nil when several have the name
}

// findPlaces looks each kind of name up by its own index.
func findPlaces(tx *dbTx, scope Scope, ids []int64, macs, names []string) (knownPlaces, error) {
	k := knownPlaces{make(map[int64]*placed), make(map[string]*placed), make(map[string]*placed)}
	var parts []string
	var args []any
	look := func(n int, condition string, values []any) {
		if n > 0 {
			parts, args = append(parts, `SELECT p.id, p.organization_id, p.kind, p.name, p.short_name, p.mac_addr, l.id, l.name
				FROM places p LEFT JOIN places l ON l.id = p.location_id
				WHERE `+scope.in("p.organization_id")+" AND NOT p.deleted AND "+condition), append(args, values...)
		}
	}
	condition, values := among(tx.d, "p.id", ids)
	look(len(ids), condition, values)
	condition, values = among(tx.d, "p.mac_addr", macs)
	look(len(macs), "p.mac_addr IS NOT NULL AND "+condition, values)
	for _, column := range []string{"p.name", "p.short_name"} {
		condition, values = among(tx.d, column, names)
		look(len(names), "p.kind = 'access_point' AND "+condition, values)
	}
	rows, err := tx.Query(strings.Join(parts, " UNION ALL "), args...)
	list, err := collect(rows, err, func(row scanner) (*placed, error) {
		var p placed
		err := row.Scan(&p.id, &p.organization, &p.kind, &p.name, &p.shortName, &p.mac, &p.location, &p.locationName)
		return &p, err
	})
	slices.SortFunc(list, func(x, y *placed) int { return cmp.Compare(x.id, y.id) })
	for _, own := range []bool{true, false} {
		for _, p := range list {
			if own == (p.organization == scope.Own()) && k.byID[p.id] == nil {
				k.add(p)
			}
		}
	}
	return k, err
}

// add takes the places of the gateway's own organisation before those below it.
func (k *knownPlaces) add(p *placed) {
	k.byID[p.id] = p
	if p.kind != AccessPoint {
		return
	}
	if p.mac != nil && k.byMAC[*p.mac] == nil {
		k.byMAC[*p.mac] = p
	}
	for _, name := range distinct([]string{p.name, p.shortName}) {
		first, there := k.byName[name]
		switch {
		case !there:
			k.byName[name] = p
		case first != nil && first.organization == p.organization:
			k.byName[name] = nil
		}
	}
}

func (k *knownPlaces) fill(w whereabouts) {
	p := k.byID[*w.point]
	if *w.point == 0 {
		if p = k.byMAC[w.macKey()]; p == nil {
			p = k.byName[*w.pointName]
		}
	}
	if p != nil && p.kind == AccessPoint {
		*w.point = p.id
		say(w.pointName, &p.name)
		if w.mac != nil {
			say(w.mac, p.mac)
		}
		if *w.location == 0 && p.location != nil {
			*w.location = *p.location
			say(w.locationName, p.locationName)
		}
	}
	if l := k.byID[*w.location]; l != nil && l.kind == Location {
		say(w.locationName, &l.name)
	}
}

// say fills a text that is empty.
func say(text, with *string) {
	if *text == "" && with != nil {
		*text = *with
	}
}
