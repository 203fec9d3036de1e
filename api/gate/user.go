package gate

// User is an account. The password is never part of it.
type User struct {
	ID           int64    `json:"id"`
	Username     string   `json:"username"`
	ExternalID   *string  `json:"external_id"`
	Klass        *string  `json:"klass"`
	Email        *string  `json:"email"`
	FirstName    *string  `json:"first_name"`
	LastName     *string  `json:"last_name"`
	IsActive     bool     `json:"is_active"`
	Organization *int64   `json:"organization"`
	Description  *string  `json:"description"`
	DateJoined   Time     `json:"date_joined"`
	FirstLogin   *Time    `json:"first_login"`
	LastLogin    *Time    `json:"last_login"`
	Expiration   *Time    `json:"expiration"`
	AvatarURL    *string  `json:"avatar_url"`
	SourceID     *int64   `json:"source_id"`
	Profile      []string `json:"profile"` // short names of AAA profiles, in order
}

// AuthOK answers a device_app_user_authenticate whose user name and password are right.
type AuthOK struct {
	Username      string      `json:"username"`
	Authenticated bool        `json:"authenticated"` // true
	UserID        int64       `json:"user_id"`
	AccessToken   string      `json:"access_token"`
	TokenExpires  Time        `json:"token_expires"`
	UserProfile   UserProfile `json:"user_profile"`
}

// UserProfile is what AuthOK tells of the person.
type UserProfile struct {
	FirstName   *string  `json:"first_name"`
	LastName    *string  `json:"last_name"`
	Email       *string  `json:"email"`
	Role        string   `json:"role"`
	Permissions []string `json:"permissions"`
}

// AuthFail answers one whose are not.
type AuthFail struct {
	Username      string `json:"username"`
	Authenticated bool   `json:"authenticated"` // false
	Error         string `json:"error"`
	ErrorCode     string `json:"error_code"` // AUTH_FAILED
}

// UserToken is an account that pays with time. UserTime, in seconds, is there only when it was asked for.
type UserToken struct {
	ID           int64    `json:"id"`
	Username     string   `json:"username"`
	ExternalID   *string  `json:"external_id"`
	Klass        *string  `json:"klass"`
	Email        *string  `json:"email"`
	FirstName    *string  `json:"first_name"`
	LastName     *string  `json:"last_name"`
	IsActive     bool     `json:"is_active"`
	Organization *int64   `json:"organization"`
	Description  *string  `json:"description"`
	DateJoined   Time     `json:"date_joined"`
	FirstLogin   *Time    `json:"first_login"`
	LastLogin    *Time    `json:"last_login"`
	Expiration   *Time    `json:"expiration"`
	AvatarURL    *string  `json:"avatar_url"`
	Profile      []string `json:"profile"` // short names of AAA profiles, in order
	UserTime     *int64   `json:"user_time,omitempty"`
}

// UserTokenLegacy is the same in the older form of the API. BalanceSeconds and UpdatedAt are there only where that form has
// them.
type UserTokenLegacy struct {
	ID             int64          `json:"id"`
	Username       string         `json:"username"`
	Email          *string        `json:"email"`
	Organization   string         `json:"organization"` // short name
	IsActive       bool           `json:"is_active"`
	Token          string         `json:"token"` // in full in the answer that makes it, later "tok_...789"
	BalanceSeconds *int64         `json:"balance_seconds,omitempty"`
	CreatedAt      Time           `json:"created_at"`
	UpdatedAt      *Time          `json:"updated_at,omitempty"`
	LastLogin      *Time          `json:"last_login"`
	Profile        map[string]any `json:"profile"` // max_sessions, access_level, total_usage_seconds, last_activity and more
}
