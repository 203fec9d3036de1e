package admin

import "time"

// DevicesPath is where the devices are that apps have registered through the GATE API. Here they are listed and deleted.
const DevicesPath = "/devices/"

// Device is a registered device.
type Device struct {
	ID             int64     `json:"id"`
	OrganizationID int64     `json:"organization_id"`
	UserID         *int64    `json:"user_id"`  // the account that it has proven to be of
	Username       *string   `json:"username"` // as it was given
	Number         *string   `json:"number"`
	GenericID      *string   `json:"generic_id"`
	IMEI           *string   `json:"imei"`
	MACAddr        *string   `json:"mac_addr"`
	DeviceType     *string   `json:"device_type"` // de, la, tb, ph
	DeviceModel    *string   `json:"device_model"`
	OSFamily       *string   `json:"os_family"`
	OSVersion      *string   `json:"os_version"`
	AppVersion     *string   `json:"app_version"`
	Created        time.Time `json:"created"`
}
