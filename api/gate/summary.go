package gate

// ConnSummary is what devices have reported of their connections in a period, one page of devices and figures of all.
type ConnSummary struct {
	Count          int64           `json:"count"`
	Next           *string         `json:"next"`
	Previous       *string         `json:"previous"`
	SummaryPeriod  SummaryPeriod   `json:"summary_period"`
	Results        []DeviceSummary `json:"results"`
	AggregateStats AggregateStats  `json:"aggregate_stats"`
}

// SummaryPeriod is whole days, UTC; EndDate is the last second of the last.
type SummaryPeriod struct {
	StartDate Time   `json:"start_date"`
	EndDate   Time   `json:"end_date"`
	Period    string `json:"period"` // one of SummaryPeriods
}

// DeviceSummary is one device and what it reported, app by app. An app is a network: its name and type.
type DeviceSummary struct {
	DeviceID       ID              `json:"device_id"`
	DeviceName     string          `json:"device_name"`
	DeviceType     string          `json:"device_type"` // one of SummaryDeviceTypes
	Organization   string          `json:"organization"`
	AppConnections []AppConnection `json:"app_connections"`
	DeviceSummary  DeviceTotals    `json:"device_summary"`
}

// AppConnection is what one device reported of one network. Rates are per cent, with one decimal.
type AppConnection struct {
	AppID                 ID      `json:"app_id"`
	AppName               string  `json:"app_name"`
	AppCategory           string  `json:"app_category"` // one of NetworkTypes
	TotalConnections      int64   `json:"total_connections"`
	SuccessfulConnections int64   `json:"successful_connections"`
	FailedConnections     int64   `json:"failed_connections"`
	SuccessRate           float64 `json:"success_rate"`
	AvgConnectionDuration int64   `json:"avg_connection_duration"` // seconds; 0 when no report said
	LastConnection        Time    `json:"last_connection"`
	DataTransferredMB     float64 `json:"data_transferred_mb"`
}

// DeviceTotals is a device's networks together.
type DeviceTotals struct {
	TotalConnections       int64   `json:"total_connections"`
	OverallSuccessRate     float64 `json:"overall_success_rate"`
	TotalDataTransferredMB float64 `json:"total_data_transferred_mb"`
	MostUsedApp            string  `json:"most_used_app"`
	ConnectionTrend        string  `json:"connection_trend"` // stable, increasing, decreasing
}

// AggregateStats is all devices that the filters leave, not only those of the page.
type AggregateStats struct {
	TotalDevices           int64     `json:"total_devices"`
	TotalApplications      int64     `json:"total_applications"`
	OverallSuccessRate     float64   `json:"overall_success_rate"`
	TotalDataTransferredGB float64   `json:"total_data_transferred_gb"`
	TopPerformingApps      []AppRate `json:"top_performing_apps"`
	DevicesWithIssues      int64     `json:"devices_with_issues"`
}

// AppRate is how often connections to a network succeeded, in per cent.
type AppRate struct {
	AppName     string  `json:"app_name"`
	SuccessRate float64 `json:"success_rate"`
}

// SummaryPeriods are the days that a summary may go back.
func SummaryPeriods() []string { return []string{"1d", "7d", "30d", "90d"} }

// SummaryDeviceTypes are the classes that a summary has of DeviceTypes.
func SummaryDeviceTypes() []string { return []string{"mobile", "desktop", "tablet", "iot"} }

// SummaryStatuses are what a connection may be: its last report good and recent, not good, or good and old.
func SummaryStatuses() []string { return []string{"active", "failed", "disconnected"} }
