package edge

import "context"

// PasswordPath is where a user's own change of password goes: POST PasswordRequest -> PasswordAnswer.
const PasswordPath = "/edge/v1/password"

// PasswordRequest asks to change a password, as the user who knows the present one.
type PasswordRequest struct {
	Username         string `json:"username"`
	Password         string `json:"password"` // the present one
	NewPassword      string `json:"new_password"`
	CallingStationID string `json:"callingstationid,omitempty"`
	Zone             string `json:"zone,omitempty"`
}

// The codes of a password that was not changed.
const (
	PasswordWrong = "wrong_password" // the present one; an unknown user gives the same answer
	PasswordWeak  = "weak_password"  // the new one: too short, or the user name
)

// PasswordAnswer says whether the password was changed, with the account as it is then.
type PasswordAnswer struct {
	Changed bool     `json:"changed"`
	Code    string   `json:"code,omitempty"`
	Account *Account `json:"account,omitempty"`
}

// Password changes a user's password.
func (c *Client) Password(ctx context.Context, r PasswordRequest) (a PasswordAnswer, err error) {
	err = c.post(ctx, PasswordPath, r, &a)
	return a, err
}
