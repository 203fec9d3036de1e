package gate

// AcctRecord is one session, in the column names of FreeRADIUS's radacct. AcctStopTime is null while it runs.
type AcctRecord struct {
	RadAcctID          int64   `json:"radacctid"` // below 2^53
	AcctSessionID      string  `json:"acctsessionid"`
	AcctUniqueID       string  `json:"acctuniqueid"`
	Username           string  `json:"username"`
	GroupName          *string `json:"groupname"`
	Realm              *string `json:"realm"`
	NASIPAddress       string  `json:"nasipaddress"`
	NASPortID          *string `json:"nasportid"`
	NASPortType        *string `json:"nasporttype"`
	AcctStartTime      Time    `json:"acctstarttime"`
	AcctUpdateTime     *Time   `json:"acctupdatetime"`
	AcctStopTime       *Time   `json:"acctstoptime"`
	AcctInterval       *int64  `json:"acctinterval"`    // seconds
	AcctSessionTime    int64   `json:"acctsessiontime"` // seconds
	AcctAuthentic      *string `json:"acctauthentic"`
	ConnectInfoStart   *string `json:"connectinfo_start"`
	ConnectInfoStop    *string `json:"connectinfo_stop"`
	AcctInputOctets    int64   `json:"acctinputoctets"`  // from the station
	AcctOutputOctets   int64   `json:"acctoutputoctets"` // to the station
	CalledStationID    *string `json:"calledstationid"`
	CallingStationID   *string `json:"callingstationid"`
	AcctTerminateCause *string `json:"acctterminatecause"`
	ServiceType        *string `json:"servicetype"`
	FramedProtocol     *string `json:"framedprotocol"`
	FramedIPAddress    *string `json:"framedipaddress"`
	OrganizationID     ID      `json:"organization_id"`
	UserID             *ID     `json:"user_id"`
	UserTransactionID  *ID     `json:"user_transaction_id"`
	ClientID           *ID     `json:"client_id"`
	ClientShortName    *string `json:"client_short_name"`
	LocationID         *ID     `json:"location_id"`
	AccessPointID      *ID     `json:"access_point_id"`
	AccessPointName    *string `json:"access_point_name"`
	LocationName       *string `json:"location_name"`
	NASIdentifier      *string `json:"nasidentifier"`
	Klass              *string `json:"klass"`
	AccessPointMACAddr *string `json:"access_point_mac_addr"`
	SSID               *string `json:"ssid"`
}
