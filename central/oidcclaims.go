package central

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"gatehouse/api/admin"
	"gatehouse/api/gate"
	"gatehouse/central/store"
)

// identity is what a provider says of somebody.
type identity struct {
	Subject  string `json:"sub"`
	Email    string `json:"email"`
	Verified any    `json:"email_verified"` // some send it as a text
	First    string `json:"given_name"`
	Last     string `json:"family_name"`

	all map[string]any
}

func (i *identity) verified() bool {
	return i.Email != "" && (i.Verified == true || i.Verified == "true")
}

// claims are what the ID token says, once that is found good, and the user info where the token has no address (OpenID Connect Core §5.4).
func (s *Server) claims(ctx context.Context, at relyingParty, said *signIn, token *oauth2.Token) (who *identity, err error) {
	raw, _ := token.Extra("id_token").(string)
	// The library allows a clock that is behind for nbf, but none that is ahead for exp.
	verifier := at.provider.Verifier(&oidc.Config{ClientID: at.settings.ClientID, Now: func() time.Time { return s.cfg.Clock.Now().Add(-clockLeeway) }})
	id, err := verifier.Verify(ctx, raw)
	if err != nil {
		return nil, errors.New("the ID token is not good: " + err.Error())
	}
	who = &identity{}
	var more struct {
		Authorized string `json:"azp"`
	}
	if err := errors.Join(id.Claims(&more), id.Claims(who), id.Claims(&who.all)); err != nil {
		return nil, err
	}
	switch {
	case subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(said.Nonce)) != 1:
		return nil, errors.New("the ID token is not for this sign-in")
	case len(id.Audience) > 1 && more.Authorized != at.settings.ClientID:
		return nil, errors.New("the ID token is for another client")
	case id.Subject == "" || len(id.Subject) > 255:
		return nil, errors.New("the ID token has no subject")
	}
	if who.Email != "" && admits(at.settings, who) || at.provider.UserInfoEndpoint() == "" {
		return who, nil
	}
	info, err := at.provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		s.cfg.Log.Warn("a provider does not tell more of who signed in", "provider", said.Provider, "err", withoutBody(err))
		return who, nil
	}
	if info.Subject != id.Subject {
		return nil, errors.New("the user info is of somebody else")
	}
	// What the token says stands: it is signed.
	told := who.all
	if err := errors.Join(info.Claims(&who.all), info.Claims(who)); err != nil {
		return nil, err
	}
	for name, value := range told {
		who.all[name] = value
	}
	text, err := json.Marshal(who.all)
	if err != nil {
		return nil, err
	}
	return who, json.Unmarshal(text, who)
}

// admits tells whether somebody is one of those whom the settings let in. A domain is that of an address that the provider vouches
// for, or the one that it says it hosts (Google's hd).
func admits(m admin.OIDCSettings, who *identity) bool {
	if len(m.Domains) > 0 {
		_, domain, _ := strings.Cut(who.Email, "@")
		hosted, _ := who.all["hd"].(string)
		ours := func(d string) bool { return d != "" && slices.Contains(m.Domains, strings.ToLower(d)) }
		if !(who.verified() && ours(domain)) && !ours(hosted) {
			return false
		}
	}
	return len(m.Groups) == 0 || slices.ContainsFunc(m.Groups, func(g string) bool { return slices.Contains(who.groups(m.GroupsClaim), g) })
}

// groups are those of a claim, which is a text or a list of them. A name with dots is of a claim within claims, as Keycloak's
// realm_access.roles.
func (i *identity) groups(claim string) (all []string) {
	var at any = i.all
	if value, ok := i.all[claim]; ok {
		at = value
	} else {
		for part := range strings.SplitSeq(claim, ".") {
			within, _ := at.(map[string]any)
			at = within[part]
		}
	}
	switch v := at.(type) {
	case string:
		all = append(all, v)
	case []any:
		for _, one := range v {
			if text, ok := one.(string); ok {
				all = append(all, text)
			}
		}
	}
	return all
}

// personOfSubject is whose account a sign-in gives. It goes by issuer and subject alone: an address may be given to somebody else
// one day, and another provider may say anything of it.
func personOfSubject(p store.Proof) (store.Person, error) {
	var said signIn
	if err := json.Unmarshal(p.Body, &said); err != nil {
		return store.Person{}, err
	}
	if said.Subject == "" {
		return store.Person{}, errors.New("the proof has no subject")
	}
	sum := sha256.Sum256([]byte(said.Issuer + "\n" + said.Subject))
	name := "oidc." + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:16]))
	who := store.Person{Username: name, Change: func(u *gate.User, made bool) {
		if !made {
			return
		}
		for field, text := range map[**string]string{&u.Email: said.Email, &u.FirstName: said.First, &u.LastName: said.Last} {
			if text != "" {
				*field = &text
			}
		}
	}}
	if said.Terms != "" {
		who.Extra = func(e *gate.UserExtra) { e.AcceptTerms = new(true) }
	}
	return who, nil
}

// shorten keeps a name that a provider tells within what a user has room for.
func shorten(text string) string {
	runes := []rune(strings.ToValidUTF8(text, ""))
	return strings.TrimSpace(string(runes[:min(len(runes), shortText)]))
}
