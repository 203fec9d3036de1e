package gate

// DeviceReg is a registered device and its app. The password of a registration is never part of it.
type DeviceReg struct {
	Number                  *string `json:"number"` // MSISDN
	GenericID               *string `json:"generic_id"`
	IMEI                    *string `json:"imei"` // 15 digits
	IMSI                    *string `json:"imsi"`
	ICCID                   *string `json:"iccid"`
	MACAddr                 *string `json:"mac_addr"`
	HomeMobileNetworkName   *string `json:"home_mobile_network_name"`
	HomeMobileNetworkMCCMNC *string `json:"home_mobile_network_mccmnc"`
	AppVersion              *string `json:"app_version"`
	OSFamily                *string `json:"os_family"`
	OSVersion               *string `json:"os_version"`
	OSAPIVersion            *string `json:"os_api_version"`
	DeviceFamily            *string `json:"device_family"`
	DeviceBrand             *string `json:"device_brand"`
	DeviceModel             *string `json:"device_model"`
	DeviceType              *string `json:"device_type"` // one of DeviceTypes
	PushKey                 *string `json:"push_key"`
	Username                *string `json:"username"`
	UserExternalID          *string `json:"user_external_id"`
	UserClass               *string `json:"user_class"`
}

// UserUpdate answers a device_app_user_update. Fields that were not sent are null.
type UserUpdate struct {
	Number         *string `json:"number"`
	GenericID      *string `json:"generic_id"`
	IMEI           *string `json:"imei"`
	IMSI           *string `json:"imsi"`
	ICCID          *string `json:"iccid"`
	Username       *string `json:"username"`
	Password       *string `json:"password"` // always null
	UserExternalID *string `json:"user_external_id"`
	UserClass      *string `json:"user_class"`
	UpdatedAt      Time    `json:"updated_at"`
	Status         string  `json:"status"` // success
}

// ConnLog is one connection of a device to a network.
type ConnLog struct {
	NetworkName     *string  `json:"network_name"`
	NetworkType     string   `json:"network_type"`     // one of NetworkTypes
	NetworkSecurity string   `json:"network_security"` // one of NetworkSecurities
	NetworkMCCMNC   *string  `json:"network_mccmnc"`
	Frequency       *float64 `json:"frequency"`      // GHz
	Authentication  *string  `json:"authentication"` // one of Authentications
	BSSID           *string  `json:"bssid"`
	CellID          *string  `json:"cellid"`
	Roaming         *bool    `json:"roaming"`
	Latitude        *string  `json:"latitude"` // decimal degrees
	Longitude       *string  `json:"longitude"`
	InBytes         *int64   `json:"inbytes"`
	OutBytes        *int64   `json:"outbytes"`
	LinkSpeed       *float64 `json:"link_speed"`     // Mbit/s
	QualityMetric   *string  `json:"quality_metric"` // one of QualityMetrics
	QualityValue    *float64 `json:"quality_value"`
}

// TestReport is the result of a test that an app has made of a network.
type TestReport struct {
	ID          int64   `json:"id"`
	NetworkName *string `json:"network_name"`
	NetworkType string  `json:"network_type"` // one of NetworkTypes
	TestType    string  `json:"test_type"`    // one of TestTypes
	Destination string  `json:"destination"`
	Value       float64 `json:"value"`
	Count       *int64  `json:"count"`
	Unit        *string `json:"unit"` // one of Units
	Timestamp   Time    `json:"timestamp"`
	Status      string  `json:"status"` // processed
}

// DeviceTypes are desktop, laptop, tablet and phone.
func DeviceTypes() []string { return []string{"de", "la", "tb", "ph"} }

// NetworkTypes are Wi-Fi, mobile, Bluetooth and Ethernet.
func NetworkTypes() []string { return []string{"wi", "mo", "bl", "et"} }

// NetworkSecurities are open, WEP, WPA, WPA2 and 3GPP.
func NetworkSecurities() []string { return []string{"opn", "wep", "wpa", "wp2", "3gp"} }

// Authentications are none, captive portal, WISPr, pre-shared key, RADIUS, EAP and 3GPP.
func Authentications() []string { return []string{"non", "cpo", "wis", "psk", "rad", "eap", "3gp"} }

// QualityMetrics are what a quality_value may be.
func QualityMetrics() []string { return []string{"rssi", "sinr"} }

// TestTypes are download, upload, delay, jitter and DNS response time.
func TestTypes() []string { return []string{"dl", "ul", "de", "jt", "dn"} }

// Units are those of a test's value.
func Units() []string { return []string{"Kbps", "KBps", "ms"} }
