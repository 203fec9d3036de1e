package gate

// TxLog is one line of the portal's transaction log.
type TxLog struct {
	ID                    int64   `json:"id"`
	DateTime              Time    `json:"datetime"`
	Type                  string  `json:"type"` // two letters: ui, uo, st, ...
	Organization          int64   `json:"organization"`
	Source                string  `json:"source"` // u
	Status                string  `json:"status"` // h200, u401, ...
	Message               *string `json:"message"`
	Service               *int64  `json:"service"`
	ServiceName           *string `json:"service_name"`
	AuthService           *int64  `json:"authservice"`
	AuthServiceName       *string `json:"authservice_name"`
	User                  *int64  `json:"user"`
	Username              *string `json:"username"`
	Email                 *string `json:"email"`
	ExternalID            *string `json:"external_id"`
	NewUser               bool    `json:"new_user"`
	SessionID             *string `json:"session_id"`
	ExternalSession       *string `json:"external_session"`
	PaymentTransactionLog *int64  `json:"payment_transaction_log"`
	Site                  *string `json:"site"`
	Page                  *int64  `json:"page"`
	PageURL               *string `json:"page_url"`
	Action                *string `json:"action"` // li, rg
	Location              *int64  `json:"location"`
	LocationName          *string `json:"location_name"`
	AccessPoint           *int64  `json:"access_point"`
	AccessPointName       *string `json:"access_point_name"`
	SSID                  *string `json:"ssid"`
	UserAgent             *int64  `json:"user_agent"`       // lookup id
	RemoteIPAddr          *int64  `json:"remote_ip_addr"`   // IPv4 as an unsigned 32-bit number; null for IPv6
	CapturedIPAddr        *int64  `json:"captured_ip_addr"` // the same
	MACAddr               *int64  `json:"mac_addr"`         // 48 bits
	HTTPReferer           *int64  `json:"http_referer"`     // lookup id

	// Only with ?expand=true.
	*TxLogExpanded
}

// TxLogExpanded says in text what TxLog has as numbers.
type TxLogExpanded struct {
	RemoteIP        *string `json:"remote_ip"`
	CapturedIP      *string `json:"captured_ip"`
	MAC             *string `json:"mac"`
	UserAgentText   *string `json:"user_agent_text"`
	HTTPRefererText *string `json:"http_referer_text"`
}
