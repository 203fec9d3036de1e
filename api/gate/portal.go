package gate

// PortalLogin is the verdict of a trusted portal outside: this station may go online.
type PortalLogin struct {
	PageID            int64   `json:"page_id"`
	OriginalURL       *string `json:"original_url"`
	APMAC             string  `json:"ap_mac"`
	MAC               string  `json:"mac"`
	IP                string  `json:"ip"`
	UID               string  `json:"uid"`
	ControllerAddress *string `json:"controller_address"`
	SessionTimeout    *int64  `json:"session_timeout"` // seconds
	IdleTimeout       *int64  `json:"idle_timeout"`    // seconds
}
