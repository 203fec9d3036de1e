package gate

// AuthToken is a user's token as Waldur shows it at /api/auth-tokens/.
type AuthToken struct {
	URL               string `json:"url"`
	Created           Time   `json:"created"`
	User              string `json:"user"` // URL
	UserFirstName     string `json:"user_first_name"`
	UserLastName      string `json:"user_last_name"`
	UserUsername      string `json:"user_username"`
	UserIsActive      bool   `json:"user_is_active"`
	UserTokenLifetime *int64 `json:"user_token_lifetime"` // seconds; nil: until it is deleted
}

// UserCode is a user token as Sonatype IQ lists it at /api/v2/userTokens.
type UserCode struct {
	UserCode string `json:"userCode"`
}

// UserCodes is a new user token: the only time that its pass code is shown.
type UserCodes struct {
	UserCode string `json:"userCode"`
	PassCode string `json:"passCode"`
}
