package central

import (
	"cmp"
	"errors"
	"net/http"
	"slices"

	"gatehouse/api/gate"
	"gatehouse/central/store"
	"gatehouse/sessions"
)

// registerDevice takes a device up. Whose it is it tells by user name and password; an administrator or the front desk may leave the
// password out. A name without proof, or that nobody has, is kept and makes it nobody's.
func (s *Server) registerDevice(c *call) (int, any, error) {
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	d := store.Device{Organization: c.token.Scope.Own()}
	setDevice(f, &d)
	if d.UserID, err = s.registrant(c, f, &d); err != nil {
		return 0, nil, err
	}
	err = s.cfg.Store.SaveDevice(c.Context(), d.Organization, 0, c.token.ID, s.deviceCaps(), func(to *store.Device) { *to = d })
	return http.StatusCreated, d.DeviceReg, deviceProblem(err)
}

func (s *Server) deviceCaps() store.DeviceCaps {
	return store.DeviceCaps{PerUser: s.cfg.DevicesPerUser, PerTokenDay: s.cfg.RegistrationsPerDay}
}

// deviceProblem is what a caller is told of an error of SaveDevice.
func deviceProblem(err error) error {
	var taken *store.DuplicateError
	var full *store.CapError
	switch {
	case errors.As(err, &taken):
		return duplicate(http.StatusConflict, taken.Field, "A device with this "+taken.Field+" is registered already.")
	case errors.As(err, &full) && full.Wait > 0:
		return throttled(full.Wait)
	case errors.As(err, &full):
		return unfit(http.StatusUnprocessableEntity, map[string][]string{
			"username": {"This account has as many devices as it may have; one of them must be deleted first."}})
	}
	return err
}

// setDevice takes over the fields that the body has.
func setDevice(f *fields, d *store.Device) {
	for name, to := range map[string]**string{
		"number": &d.Number, "generic_id": &d.GenericID, "imei": &d.IMEI, "imsi": &d.IMSI, "iccid": &d.ICCID, "mac_addr": &d.MACAddr,
		"home_mobile_network_name": &d.HomeMobileNetworkName, "home_mobile_network_mccmnc": &d.HomeMobileNetworkMCCMNC,
		"app_version": &d.AppVersion, "os_family": &d.OSFamily, "os_version": &d.OSVersion, "os_api_version": &d.OSAPIVersion,
		"device_family": &d.DeviceFamily, "device_brand": &d.DeviceBrand, "device_model": &d.DeviceModel, "device_type": &d.DeviceType,
		"push_key": &d.PushKey, "username": &d.Username, "user_external_id": &d.UserExternalID, "user_class": &d.UserClass,
	} {
		if f.has(name) {
			*to = value[string](f, name)
		}
	}
	d.MACKey = macKey(d.MACAddr)
}

// registrant is the account that a registration proves, or may claim, to be of; nil for none.
func (s *Server) registrant(c *call, f *fields, d *store.Device) (*int64, error) {
	password := value[string](f, "password")
	switch {
	case c.token.Role == store.RoleUser:
		u, err := s.cfg.Store.User(c.Context(), c.token.Scope, c.token.UserID)
		if err == nil && d.Username != nil && *d.Username != u.Username {
			err = unfitField("username", "This is not the account that the access token is of.")
		}
		d.Username = &u.Username
		return &u.ID, err
	case d.Username == nil:
		return nil, nil
	case password != nil:
		u, ok, err := s.verdict(c, deviceRef(f), *d.Username, sessions.Password(*password))
		if err == nil && !ok {
			err = unfitField("password", "Invalid credentials.")
		}
		return &u.ID, err
	case c.token.Role == store.RolePortal:
		return nil, nil
	}
	id, err := s.cfg.Store.UserID(c.Context(), c.token.Scope, *d.Username)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return &id, err
}

// unfitField is a 422 about one field.
func unfitField(field, text string) *problem {
	return unfit(http.StatusUnprocessableEntity, map[string][]string{field: {text}})
}

// updateDeviceUser changes a device, the account that it is of, and which account that is. The device is the one that an
// identifier names, else the account's only one, else a new one. The account is that of the user name; when there is none of that name the
// device's account gets it.
func (s *Server) updateDeviceUser(c *call) (int, any, error) {
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	d, err := s.cfg.Store.FindDevice(c.Context(), c.token.Scope.Own(), deviceRef(f))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return 0, nil, err
	}
	u, err := s.updatedUser(c, f, d)
	if err != nil {
		return 0, nil, err
	}
	update := store.DeviceUpdate{UserID: u.ID, Token: c.token.ID, Caps: s.deviceCaps()}
	if u.ID != 0 {
		if err := s.updateUser(c, f, u, &update); err != nil {
			return 0, nil, err
		}
	}
	if err := s.updateDevice(c, f, d, &update); err != nil {
		return 0, nil, err
	}
	if update.ChangeUser != nil || update.ChangeDevice != nil {
		if err := updateProblem(s.cfg.Store.UpdateDeviceUser(c.Context(), c.token.Scope, update)); err != nil {
			return 0, nil, err
		}
	}
	return http.StatusCreated, gate.UserUpdate{
		Number: value[string](f, "number"), GenericID: value[string](f, "generic_id"), IMEI: value[string](f, "imei"),
		IMSI: value[string](f, "imsi"), ICCID: value[string](f, "iccid"), Username: value[string](f, "username"),
		UserExternalID: value[string](f, "user_external_id"), UserClass: value[string](f, "user_class"),
		UpdatedAt: gate.Time{Time: s.cfg.Clock.Now()}, Status: "success",
	}, nil
}

// updatedUser is the account that an update is about; without an id when there is none, which only an update that is about a device alone
// may have.
func (s *Server) updatedUser(c *call, f *fields, d store.Device) (u gate.User, err error) {
	name := value[string](f, "username")
	id := int64(0)
	if c.token.Role == store.RoleUser {
		id = c.token.UserID
	}
	if id == 0 && name != nil {
		if id, err = s.cfg.Store.UserID(c.Context(), c.token.Scope, *name); err != nil && !errors.Is(err, store.ErrNotFound) {
			return u, err
		}
	}
	if id == 0 && d.UserID != nil {
		id = *d.UserID
	}
	if id != 0 {
		u, err = s.cfg.Store.User(c.Context(), c.token.Scope, id)
		if err == nil && c.token.Role == store.RoleUser && (name != nil && *name != u.Username || d.UserID != nil && *d.UserID != id) {
			err = unfitField("username", "This is not the account that the access token is of.")
		}
		return u, err
	}
	switch {
	case value[string](f, "password") != nil:
		return u, unfitField("password", "There is no account that it could be of.")
	case d.ID == 0 && name != nil:
		return u, unfitField("username", "There is no such account.")
	case d.ID == 0:
		return u, unfitField("non_field_errors", "Neither a registered device nor an account is named.")
	}
	return u, nil
}

// updateUser says what the body changes of the account.
func (s *Server) updateUser(c *call, f *fields, u gate.User, update *store.DeviceUpdate) error {
	name, external, class := value[string](f, "username"), value[string](f, "user_external_id"), value[string](f, "user_class")
	switch {
	case c.token.Role == store.RoleUser && class != nil:
		return unfitField("user_class", "This is the administrator's to change.")
	case c.token.Role == store.RoleUser && external != nil:
		return unfitField("user_external_id", "This is the administrator's to change.")
	}
	hash, err := s.updatedPassword(c, f)
	if err != nil || hash == nil && external == nil && class == nil && (name == nil || *name == u.Username) {
		return err
	}
	update.Hash, update.ChangeUser = hash, func(u *gate.User) {
		if name != nil {
			u.Username = *name
		}
		u.ExternalID, u.Klass = cmp.Or(external, u.ExternalID), cmp.Or(class, u.Klass)
	}
	return nil
}

// updateProblem is what a caller is told of an error of UpdateDeviceUser.
func updateProblem(err error) error {
	var taken *store.DuplicateError
	switch {
	case errors.As(err, &taken) && taken.Field == "username":
		return unfitField("username", "A user with that username already exists.")
	case errors.As(err, &taken):
		return unfitField(taken.Field, "Another device has this "+taken.Field+".")
	}
	return deviceProblem(err)
}

// updatedPassword is the hash of the new password, nil when there is none. An administrator may send the hash itself, as GATE's
// documentation asks for (gate-api C13).
func (s *Server) updatedPassword(c *call, f *fields) (*string, error) {
	password := value[string](f, "password")
	if password == nil || c.token.Role == store.RoleAdmin && CheckPasswordHash(*password) == nil {
		return password, nil
	}
	hash, err := s.hash(c.Context(), sessions.Password(*password))
	return &hash, err
}

// updateDevice says what the body changes of the device, and makes it the account's.
func (s *Server) updateDevice(c *call, f *fields, d store.Device, update *store.DeviceUpdate) error {
	if !slices.ContainsFunc([]string{"number", "generic_id", "imei", "imsi", "iccid"}, func(name string) bool { return value[string](f, name) != nil }) {
		return nil
	}
	if d.ID == 0 {
		own, err := s.cfg.Store.UserDevices(c.Context(), update.UserID)
		if err != nil {
			return err
		}
		if len(own) == 1 {
			d = own[0]
		}
	}
	update.DeviceID, update.Organization = d.ID, cmp.Or(d.Organization, c.token.Scope.Own())
	update.ChangeDevice = func(d *store.Device, owner gate.User) {
		setDevice(f, d)
		if owner.ID != 0 {
			d.UserID, d.Username = &owner.ID, &owner.Username
		}
	}
	return nil
}
