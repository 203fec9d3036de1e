package central

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"gatehouse/api/gate"
	"gatehouse/central/store"
)

const balancesEvery = 30 * time.Second // how late time expires

// maxProfileData is how many keys the profile data of a user may have.
const maxProfileData = 50

// legacy tells whether the answer is to have the older form of user_token (gate-api C20 to C26).
func (s *Server) legacy(c *call) bool {
	for accept := range strings.SplitSeq(c.Header.Get("Accept"), ",") {
		if _, params, err := mime.ParseMediaType(accept); err == nil && params["variant"] != "" {
			return params["variant"] == "legacy"
		}
	}
	return s.cfg.LegacyUserToken
}

func (s *Server) listTokenUsers(c *call) (int, any, error) {
	f := store.UserFilter{Username: c.FormQuery("username"), Limit: int64(c.limit()), Offset: c.offset()}
	if text := c.FormQuery("organization"); text != "" {
		id, ok, err := s.organization(c, text)
		if err != nil {
			return 0, nil, err
		}
		f.Organization, f.MatchesNothing = id, !ok
	}
	list, count, err := s.cfg.Store.TokenUsers(c.Context(), c.token.Scope, f, s.legacy(c))
	if err != nil {
		return 0, nil, err
	}
	show := tokenView{balance: truth(c.FormQuery("balance"))}
	if !s.legacy(c) {
		return http.StatusOK, offsetPage(c, convert(list, show.current), count), nil
	}
	if show.names, err = s.cfg.Store.OrganizationNames(c.Context(), c.token.Scope); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, offsetPage(c, convert(list, show.legacy), count), nil
}

func convert[T, U any](list []T, one func(T) U) []U {
	out := make([]U, len(list))
	for i, v := range list {
		out[i] = one(v)
	}
	return out
}

func (s *Server) getTokenUser(c *call) (int, any, error) {
	u, err := s.cfg.Store.TokenUser(c.Context(), c.token.Scope, c.gateID(), s.legacy(c))
	if err != nil {
		return 0, nil, err
	}
	return s.tokenAnswer(c, http.StatusOK, u, tokenView{balance: truth(c.FormQuery("balance"))})
}

func (s *Server) createTokenUser(c *call) (int, any, error) {
	return s.writeTokenUser(c, 0, func(u *gate.User) { *u = gate.User{Organization: new(c.token.Scope.Own()), IsActive: true} })
}

func (s *Server) putTokenUser(c *call) (int, any, error) {
	return s.writeTokenUser(c, c.gateID(), func(u *gate.User) { *u = gate.User{Organization: u.Organization, IsActive: true, Profile: u.Profile} })
}

func (s *Server) patchTokenUser(c *call) (int, any, error) {
	return s.writeTokenUser(c, c.gateID(), nil)
}

// deleteTokenUser ends the user's sessions with him, unless the older form or force=false asks to wait for their end.
func (s *Server) deleteTokenUser(c *call) (int, any, error) {
	id := c.gateID()
	if _, err := s.cfg.Store.User(c.Context(), c.token.Scope, id); err != nil {
		return 0, nil, err
	}
	force := c.FormQuery("force")
	if s.legacy(c) && force == "" || force != "" && !truth(force) {
		running, err := s.cfg.Store.HasSession(c.Context(), id)
		if err != nil {
			return 0, nil, err
		}
		if running {
			return 0, nil, inUse("active_sessions", "User cannot be deleted due to active sessions.")
		}
	}
	return http.StatusNoContent, nil, s.cfg.Store.DeleteUser(c.Context(), c.token.Scope, id)
}

// expireTime takes away time that has expired, and what was lent to gateways that say nothing any more.
func (s *Server) expireTime(ctx context.Context, _ *store.Lease) error {
	n, err := s.cfg.Store.ExpireTime(ctx)
	if n > 0 {
		s.cfg.Log.Info("time expired", "users", n)
	}
	return err
}

// inUse is a 409: the thing cannot go while something else needs it.
func inUse(code, detail string) *problem {
	return &problem{status: http.StatusConflict, gate: gate.Error{Detail: detail, Code: code, Field: "id"}}
}

// writeTokenUser is writeUser with a balance, and with a profile in either of its forms.
func (s *Server) writeTokenUser(c *call, id int64, begin func(*gate.User)) (int, any, error) {
	f, err := c.readFields()
	if err != nil {
		return 0, nil, err
	}
	legacy := s.legacy(c)
	more := store.TokenChange{Seconds: userTime(f), NewToken: id == 0 && legacy, Actor: "token " + strconv.FormatInt(c.token.ID, 10)}
	var object bool
	if more.Data, object = profileData(f); id != 0 && begin != nil && !object && !f.has("profile") {
		f.raw["profile"] = json.RawMessage("[]") // a full update: what is not named is gone
	}
	body, err := s.readUser(c, f, begin)
	if err != nil {
		return 0, nil, err
	}
	more.Hash = body.hash
	u, err := s.cfg.Store.SaveTokenUser(c.Context(), c.token.Scope, id, body.change, more)
	status, refused := http.StatusOK, http.StatusBadRequest
	if id == 0 {
		status = http.StatusCreated
		if legacy {
			refused = http.StatusConflict
		}
	}
	if err != nil {
		return 0, nil, userProblem(err, refused)
	}
	return s.tokenAnswer(c, status, u, tokenView{balance: id != 0 || more.Seconds != nil || legacy, updated: id != 0})
}

// profileData is a profile in the older form, an object; it is taken out of the fields, because it leaves the AAA profiles as
// they are. A role goes with it.
func profileData(f *fields) (data map[string]json.RawMessage, object bool) {
	if json.Unmarshal(f.raw["profile"], &data) == nil && data != nil {
		object = true
		delete(f.raw, "profile")
	}
	if role := f.text("role"); role != nil {
		if data == nil {
			data = make(map[string]json.RawMessage)
		}
		data["role"] = f.raw["role"]
	}
	for key, v := range data {
		if len(data) > maxProfileData || len(key)+len(v) > maxProfileData*maxProfileData {
			f.wrong("profile", fmt.Sprintf("Ensure this field has no more than %d keys, and little in each.", maxProfileData))
			break
		}
	}
	return data, object
}

// tokenView is what an answer shows.
type tokenView struct {
	balance, updated bool
	names            map[int64]string // short names of organisations
}

func (s *Server) tokenAnswer(c *call, status int, u store.TokenUser, v tokenView) (int, any, error) {
	if !s.legacy(c) {
		return status, v.current(u), nil
	}
	o, err := s.cfg.Store.Organization(c.Context(), *u.Organization)
	v.names = map[int64]string{o.ID: o.ShortName}
	return status, v.legacy(u), err
}

func (v tokenView) current(u store.TokenUser) gate.UserToken {
	out := gate.UserToken{ID: u.ID, Username: u.Username, ExternalID: u.ExternalID, Klass: u.Klass, Email: u.Email,
		FirstName: u.FirstName, LastName: u.LastName, IsActive: u.IsActive, Organization: u.Organization, Description: u.Description,
		DateJoined: u.DateJoined, FirstLogin: u.FirstLogin, LastLogin: u.LastLogin, Expiration: u.Expiration,
		AvatarURL: u.AvatarURL, Profile: u.Profile}
	if v.balance {
		out.UserTime = &u.Seconds
	}
	return out
}

func (v tokenView) legacy(u store.TokenUser) gate.UserTokenLegacy {
	profile := map[string]any{"max_sessions": nil, "access_level": u.Klass}
	for key, value := range u.Data {
		profile[key] = value
	}
	profile["total_usage_seconds"], profile["last_activity"] = u.UsedTime, u.LastLogin
	if u.LastUsage != nil {
		profile["last_activity"] = gate.NewTime(*u.LastUsage)
	}
	out := gate.UserTokenLegacy{ID: u.ID, Username: u.Username, Email: u.Email, Organization: v.names[*u.Organization],
		IsActive: u.IsActive, Token: u.Token, CreatedAt: u.DateJoined, LastLogin: u.LastLogin, Profile: profile}
	if v.balance {
		out.BalanceSeconds = &u.Seconds
	}
	if v.updated && u.Updated != nil {
		out.UpdatedAt = gate.NewTime(*u.Updated)
	}
	return out
}

// userTime is the balance to be, under any of its names.
func userTime(f *fields) *int64 {
	return cmp.Or(f.number("user_time"), f.number("balance_seconds"), f.number("initial_balance_seconds"))
}
