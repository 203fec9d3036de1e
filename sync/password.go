package gwsync

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"gatehouse/api/edge"
	"gatehouse/sessions"
)

// ChangePassword has the centre change a user's password. It satisfies sessions.PasswordAuthority.
func (a *Authority) ChangePassword(ctx context.Context, c sessions.Credentials, changed sessions.Password, at sessions.Station) (sessions.Account, error) {
	if a.broken() {
		return sessions.Account{}, fmt.Errorf("%w: it did not answer a moment ago", sessions.ErrUnreachable)
	}
	limited, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	since, end := a.asked.ask()
	defer end()
	answer, err := a.client.password(limited, edge.PasswordRequest{
		Username: c.Username, Password: string(c.Password), NewPassword: string(changed), CallingStationID: at.MAC.CallingStationID(), Zone: at.Zone,
	})
	var said *edge.AnswerError
	switch {
	case errors.As(err, &said) && said.Status == http.StatusNotFound:
		return sessions.Account{}, fmt.Errorf("%w: it is older than this gateway and changes no passwords", sessions.ErrUnreachable)
	case err != nil:
		return sessions.Account{}, a.undecided(ctx, err)
	case answer.Code == edge.PasswordWeak:
		return sessions.Account{}, &sessions.Refusal{Reason: sessions.RefusedWeak}
	case !answer.Changed:
		return sessions.Account{}, sessions.ErrWrongPassword
	case answer.Account == nil || answer.Account.Username == "":
		return sessions.Account{}, fmt.Errorf("%w: it answered yes, but not who", sessions.ErrUnreachable)
	}
	return a.keep(limited, answer.Account, since)
}
