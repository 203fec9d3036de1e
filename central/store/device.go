package store

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"gatehouse/api/gate"
)

// Device is a device with an app, as its organisation knows it.
type Device struct {
	gate.DeviceReg
	ID           int64
	Organization int64
	UserID       *int64  // the account that it belongs to
	MACKey       *string // MACAddr in one form, unique in the organisation as IMEI is
	Created      time.Time
}

// DeviceRef is how a report names its device, by the first of these that is known; none of them: the device is implied by who
// reports.
type DeviceRef struct {
	IMEI, MACKey, GenericID, IMSI, ICCID, Number *string
}

// DeviceCaps bound the devices that are registered.
type DeviceCaps struct {
	PerUser     int // devices of one account
	PerTokenDay int // registrations with one token in 24 hours
}

// CapError says that a cap does not let a device be registered.
type CapError struct {
	Of   string        // "user" or "token"
	Wait time.Duration // until it does; 0: until a device is deleted
}

// Error implements error.
func (e *CapError) Error() string { return "the cap of devices per " + e.Of + " is reached" }

const deviceFields = `number, generic_id, imei, imsi, iccid, mac_addr, home_mobile_network_name, home_mobile_network_mccmnc, app_version,
	os_family, os_version, os_api_version, device_family, device_brand, device_model, device_type, push_key, username, user_external_id,
	user_class, mac_key, user_id`

// pointers are in the order of deviceFields.
func (d *Device) pointers() []any {
	return []any{&d.Number, &d.GenericID, &d.IMEI, &d.IMSI, &d.ICCID, &d.MACAddr, &d.HomeMobileNetworkName, &d.HomeMobileNetworkMCCMNC,
		&d.AppVersion, &d.OSFamily, &d.OSVersion, &d.OSAPIVersion, &d.DeviceFamily, &d.DeviceBrand, &d.DeviceModel, &d.DeviceType,
		&d.PushKey, &d.Username, &d.UserExternalID, &d.UserClass, &d.MACKey, &d.UserID}
}

// values are in the order of deviceFields.
func (d *Device) values() []any {
	list := d.pointers()
	for i, p := range list {
		switch p := p.(type) {
		case **string:
			list[i] = *p
		case **int64:
			list[i] = *p
		}
	}
	return list
}

func scanDevice(row scanner) (Device, error) {
	var d Device
	var created int64
	err := row.Scan(append(d.pointers(), &d.ID, &d.Organization, &created)...)
	d.Created = time.UnixMicro(created)
	return d, err
}

const deviceColumns = deviceFields + ", id, organization_id, created"

func (s *Store) insertDevice(tx *dbTx, d Device, token int64, most int) error {
	if err := s.checkTokenCap(tx, token, most); err != nil {
		return err
	}
	now := micros(s.now())
	insert := "INSERT INTO devices (" + deviceFields + ", organization_id, token_id, created, updated) VALUES (?" +
		strings.Repeat(", ?", len(d.pointers())+3) + ") RETURNING id"
	if err := tx.QueryRow(insert, append(d.values(), d.Organization, number(token), now, now)...).Scan(&d.ID); err != nil {
		return err
	}
	return tx.audit("device", d.ID, d.Organization, nil, d.audited())
}

func uniqueDevice(tx *dbTx, d Device) error {
	for _, field := range []struct {
		name, column string
		value        *string
	}{{"imei", "imei", d.IMEI}, {"mac_addr", "mac_key", d.MACKey}} {
		var taken bool
		q := "SELECT EXISTS (SELECT 1 FROM devices WHERE organization_id = ? AND " + field.column + " = ? AND id <> ?)"
		if err := tx.QueryRow(q, d.Organization, field.value, d.ID).Scan(&taken); err != nil {
			return err
		}
		if taken {
			return &DuplicateError{Field: field.name}
		}
	}
	return nil
}

func checkUserCap(tx *dbTx, user int64, most int) error {
	if err := tx.lock("users", "id = ?", user); err != nil { // no two devices are both the last that fits
		return err
	}
	var n int
	err := tx.QueryRow("SELECT count(*) FROM devices WHERE user_id = ? AND implied IS NULL", user).Scan(&n)
	if err == nil && n >= most {
		err = &CapError{Of: "user"}
	}
	return err
}

func (s *Store) checkTokenCap(tx *dbTx, token int64, most int) error {
	const day = 24 * time.Hour
	var first int64 // of the last ones, as many as may be
	err := tx.QueryRow("SELECT created FROM devices WHERE token_id = ? AND created > ? ORDER BY created DESC LIMIT 1 OFFSET ?",
		token, micros(s.now().Add(-day)), most-1).Scan(&first)
	switch err {
	case nil:
		return &CapError{Of: "token", Wait: max(time.Second, time.UnixMicro(first).Add(day).Sub(s.now()))}
	case sql.ErrNoRows:
		return nil
	}
	return err
}

// FindDevice finds the device of the organisation that ref names, ErrNotFound when none.
func (s *Store) FindDevice(ctx context.Context, organization int64, ref DeviceRef) (Device, error) {
	d, err := findDevice(ctx, s.read(), organization, ref)
	return d, s.err("looking for device", err)
}

func findDevice(ctx context.Context, q querier, organization int64, ref DeviceRef) (d Device, err error) {
	err = sql.ErrNoRows
	for _, by := range []struct {
		column string
		value  *string
	}{{"imei", ref.IMEI}, {"mac_key", ref.MACKey}, {"generic_id", ref.GenericID}, {"imsi", ref.IMSI}, {"iccid", ref.ICCID}, {"number", ref.Number}} {
		if by.value == nil || *by.value == "" {
			continue
		}
		find := "SELECT " + deviceColumns + " FROM devices WHERE organization_id = ? AND " + by.column + " = ? ORDER BY id DESC LIMIT 1"
		if d, err = scanDevice(q.QueryRowContext(ctx, find, organization, *by.value)); err != sql.ErrNoRows {
			return d, err
		}
	}
	return d, err
}

// UserDevices are the registered devices of an account, the latest first.
func (s *Store) UserDevices(ctx context.Context, user int64) ([]Device, error) {
	rows, err := s.read().QueryContext(ctx, "SELECT "+deviceColumns+" FROM devices WHERE user_id = ? AND implied IS NULL ORDER BY id DESC", user)
	list, err := collect(rows, err, scanDevice)
	return list, s.err("reading devices", err)
}

// SaveDevice changes the device with this id as change says, or registers a new one of the organisation when id is 0; token is
// whose registration it is, 0 for a user's own. It returns a *DuplicateError when the organisation has another device with that
// IMEI or MAC address, a *CapError at a cap; a device that is new to its account counts as one. change must be quick and must
// not use the store.
func (s *Store) SaveDevice(ctx context.Context, organization, id, token int64, caps DeviceCaps, change func(*Device)) error {
	return s.write(ctx, "saving device", func(tx *dbTx) error { return s.saveDevice(tx, organization, id, token, caps, change) })
}

func (s *Store) saveDevice(tx *dbTx, organization, id, token int64, caps DeviceCaps, change func(*Device)) error {
	d := Device{Organization: organization}
	if id != 0 {
		if err := tx.lock("devices", "id = ?", id); err != nil {
			return err
		}
		var err error
		q := "SELECT " + deviceColumns + " FROM devices WHERE id = ? AND organization_id = ?"
		if d, err = scanDevice(tx.QueryRow(q, id, organization)); err != nil {
			return err
		}
	}
	before := d
	change(&d)
	if d.UserID != nil && (before.UserID == nil || *before.UserID != *d.UserID) {
		if err := checkUserCap(tx, *d.UserID, caps.PerUser); err != nil {
			return err
		}
	}
	if err := uniqueDevice(tx, d); err != nil {
		return err
	}
	if id == 0 {
		return s.insertDevice(tx, d, token, caps.PerTokenDay)
	}
	set := "UPDATE devices SET " + strings.ReplaceAll(deviceFields, ",", " = ?,") + " = ?, updated = ? WHERE id = ?"
	if _, err := tx.Exec(set, append(d.values(), micros(s.now()), id)...); err != nil {
		return err
	}
	return tx.audit("device", id, organization, before.audited(), d.audited())
}

// DeviceUpdate is what an app says at once of a device and of the account that it is of.
type DeviceUpdate struct {
	UserID     int64            // 0: no account
	ChangeUser func(*gate.User) // nil: the account stays as it is
	Hash       *string          // of a new password

	DeviceID, Organization int64                            // 0: a new device
	ChangeDevice           func(d *Device, owner gate.User) // nil: devices stay as they are
	Token                  int64
	Caps                   DeviceCaps
}

// UpdateDeviceUser does what SaveUser and SaveDevice do, or one of them, in one transaction. A *DuplicateError for the field username is
// about the account.
func (s *Store) UpdateDeviceUser(ctx context.Context, scope Scope, u DeviceUpdate) error {
	err := s.write(ctx, "updating device and user", func(tx *dbTx) (err error) {
		var owner gate.User
		switch {
		case u.ChangeUser != nil:
			owner, err = s.saveUser(tx, scope, u.UserID, u.ChangeUser, u.Hash)
		case u.UserID != 0:
			q := "SELECT " + userColumns(s.d) + " FROM users u WHERE u.id = ? AND " + scope.in("u.organization_id")
			owner, err = scanUser(tx.QueryRow(q, u.UserID))
		}
		if err != nil || u.ChangeDevice == nil {
			return err
		}
		return s.saveDevice(tx, u.Organization, u.DeviceID, u.Token, u.Caps, func(d *Device) { u.ChangeDevice(d, owner) })
	})
	s.wake(err)
	return err
}

// audited is what the audit log may have of a device: nothing that names it or a person.
func (d *Device) audited() map[string]any {
	return map[string]any{"device_type": d.DeviceType, "os_family": d.OSFamily, "os_version": d.OSVersion, "app_version": d.AppVersion,
		"device_family": d.DeviceFamily, "device_brand": d.DeviceBrand, "device_model": d.DeviceModel, "user_class": d.UserClass}
}

// Devices lists the registered devices of the scope, the latest first; user narrows them to one account's, 0 does not. more tells
// whether there is something beyond the page.
func (s *Store) Devices(ctx context.Context, scope Scope, user int64, p Page) (list []Device, more bool, err error) {
	q := keyset{d: s.d, table: "devices", time: "created", id: "id", columns: deviceColumns}
	if user != 0 {
		q.within(scope, "", "devices_user")
	} else {
		q.within(scope, "devices_organization", "devices_registered")
	}
	q.and("implied IS NULL")
	q.equal("user_id", user)
	text, args := q.sql(p)
	rows, err := s.lists().QueryContext(ctx, text, args...)
	list, err = collect(rows, err, scanDevice)
	list, more = cutPage(p, list)
	return list, more, s.err("listing devices", err)
}

// DeleteDevice removes a registered device of the scope and what it has reported.
func (s *Store) DeleteDevice(ctx context.Context, scope Scope, id int64) error {
	return s.write(ctx, "deleting device", func(tx *dbTx) error {
		var organization int64
		del := "DELETE FROM devices WHERE id = ? AND implied IS NULL AND " + scope.in("organization_id") + " RETURNING organization_id"
		if err := tx.QueryRow(del, id).Scan(&organization); err != nil {
			return err
		}
		if _, err := tx.Exec("DELETE FROM connection_days WHERE organization_id = ? AND device_id = ?", organization, id); err != nil {
			return err
		}
		return tx.audit("device", id, organization, map[string]any{"id": id}, nil)
	})
}

// impliedDevice is the device of who reports without naming one, made at the first report. owner says who that is: "token 5".
func (s *Store) impliedDevice(tx *dbTx, organization int64, owner string, user *int64) (id int64, err error) {
	const find = "SELECT id FROM devices WHERE organization_id = ? AND implied = ?"
	if err = tx.QueryRow(find, organization, owner).Scan(&id); err != sql.ErrNoRows {
		return id, err
	}
	now := micros(s.now())
	const insert = "INSERT INTO devices (organization_id, implied, user_id, created, updated) VALUES (?, ?, ?, ?, ?) RETURNING id"
	err = tx.QueryRow(insert, organization, owner, user, now, now).Scan(&id)
	return id, err
}
