package gate

// Place is a location, an access point or an access device. One that is gone stays in the lists with IsActive false, so that
// whoever reads by LastChange hears of it.
type Place struct {
	ID             int64   `json:"id"`
	Name           string  `json:"name"`
	ShortName      string  `json:"short_name"`
	IsActive       bool    `json:"is_active"`
	Description    *string `json:"description"`
	OrganizationID ID      `json:"organization_id"`
	Thumbnail      *string `json:"thumbnail"` // URL
	Address        *string `json:"address"`
	Reference      *string `json:"reference"`
	City           *string `json:"city"`
	PostalCode     *string `json:"postal_code"`
	State          *string `json:"state"`
	Region         *string `json:"region"`
	CountryCode    *string `json:"country_code"` // ISO 3166-1 alpha-2
	Latitude       *string `json:"latitude"`     // decimal degrees
	Longitude      *string `json:"longitude"`
	Created        Time    `json:"created"`
	LastChange     Time    `json:"last_change"` // grows with every change of any place
}
