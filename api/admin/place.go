package admin

import "time"

// The paths of places below BasePath. Deleted ones are gone here; GATE's lists go on showing them as inactive.
const (
	LocationsPath     = "/locations/"
	AccessPointsPath  = "/access_points/"
	AccessDevicesPath = "/access_devices/"
)

// Place is a location, an access point or an access device (a lock, a reader). Its ETag is the version of LastChange.
type Place struct {
	ID             int64     `json:"id"`
	OrganizationID int64     `json:"organization_id"`
	LocationID     *int64    `json:"location_id"` // where it is; of a location always null
	MACAddr        *string   `json:"mac_addr"`    // 00:1A:2B:3C:4D:5E, once in an organisation; of a location always null
	Name           string    `json:"name"`
	ShortName      string    `json:"short_name"` // once in an organisation and kind
	IsActive       bool      `json:"is_active"`
	Description    *string   `json:"description"`
	Thumbnail      *string   `json:"thumbnail"` // URL
	Address        *string   `json:"address"`
	Reference      *string   `json:"reference"`
	City           *string   `json:"city"`
	PostalCode     *string   `json:"postal_code"`
	State          *string   `json:"state"`
	Region         *string   `json:"region"`
	CountryCode    *string   `json:"country_code"` // ISO 3166-1 alpha-2
	Latitude       *string   `json:"latitude"`     // decimal degrees
	Longitude      *string   `json:"longitude"`
	Created        time.Time `json:"created"`
	LastChange     time.Time `json:"last_change"`
}
