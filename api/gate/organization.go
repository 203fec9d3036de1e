package gate

// MyOrg is the organisation of the token that asks.
type MyOrg struct {
	ID           int64           `json:"id"`
	Name         string          `json:"name"`
	Slug         string          `json:"slug"`
	DisplayName  string          `json:"display_name"`
	Description  *string         `json:"description"`
	Website      *string         `json:"website"`
	Industry     *string         `json:"industry"`
	Size         *string         `json:"size"`
	CreatedAt    Time            `json:"created_at"`
	UpdatedAt    Time            `json:"updated_at"`
	Settings     OrgSettings     `json:"settings"`
	Subscription OrgSubscription `json:"subscription"`
	UserRole     OrgUserRole     `json:"user_role"`
	Limits       OrgLimits       `json:"limits"`
	Branding     OrgBranding     `json:"branding"`
}

// OrgSettings are the organisation's habits of display.
type OrgSettings struct {
	Timezone   string `json:"timezone"`
	DateFormat string `json:"date_format"`
	Currency   string `json:"currency"`
	Language   string `json:"language"`
}

// OrgSubscription is what the organisation has booked.
type OrgSubscription struct {
	Plan      *string  `json:"plan"`
	Status    string   `json:"status"`
	ExpiresAt *Time    `json:"expires_at"`
	Features  []string `json:"features"`
}

// OrgUserRole is what the asking token may.
type OrgUserRole struct {
	Role        string   `json:"role"`
	Permissions []string `json:"permissions"`
	JoinedAt    Time     `json:"joined_at"`
}

// OrgLimits are bounds and what is used of them; null where there is no bound or no count.
type OrgLimits struct {
	MaxUsers        *int64 `json:"max_users"`
	CurrentUsers    int64  `json:"current_users"`
	MaxAPICalls     *int64 `json:"max_api_calls"`
	CurrentAPICalls *int64 `json:"current_api_calls"`
}

// OrgBranding is how pages of the organisation look.
type OrgBranding struct {
	LogoURL        *string `json:"logo_url"`
	PrimaryColor   *string `json:"primary_color"`
	SecondaryColor *string `json:"secondary_color"`
}

// Org is an organisation as the list shows it. ParentObj is its parent, without that one's own.
type Org struct {
	OrgParent
	ParentObj *OrgParent `json:"parent_obj"`
}

// OrgParent is an organisation without its parent's description.
type OrgParent struct {
	ID          int64   `json:"id"`
	Name        string  `json:"name"`
	ShortName   string  `json:"short_name"`
	IsActive    bool    `json:"is_active"`
	Deleted     bool    `json:"deleted"`
	CountryCode *string `json:"country_code"`
	Platform    int64   `json:"platform"` // flags 1, 2, 4, 8, 16, 32, 64
	Description *string `json:"description"`
	Parent      *int64  `json:"parent"`
	Created     Time    `json:"created"`
}
