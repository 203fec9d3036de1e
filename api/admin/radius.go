package admin

import "time"

// RADIUSClientsPath is where those are that may send RADIUS accounting, below BasePath.
const RADIUSClientsPath = "/radius_clients/"

// RADIUSClient is a NAS, or several, that may send RADIUS accounting. Its secret can be set and not be read.
type RADIUSClient struct {
	ID            int64     `json:"id"`
	Organization  int64     `json:"organization"`
	Name          string    `json:"name"` // once in an organisation
	Network       *string   `json:"network"`
	Certificate   *string   `json:"certificate"`    // DNS name of its certificate for RadSec; set by the centre's operator
	NASIdentifier *string   `json:"nas_identifier"` // null: any
	Quirks        []string  `json:"quirks"`
	Created       time.Time `json:"created"`
	Updated       time.Time `json:"updated"`
}
