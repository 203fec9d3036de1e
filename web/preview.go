package web

import (
	"time"

	"github.com/a-h/templ"

	"gatehouse/sessions"
)

// Sample is one page with made-up data.
type Sample struct {
	Name string // fit for a file name
	Page templ.Component
}

// Preview is PreviewOf a venue without a look of its own.
func Preview(l Locale) []Sample { return PreviewOf(Venue{Name: "Hotel Seeblick"}, l) }

// PreviewOf renders every page in every state that a guest may meet, with made-up data: for tests, and for people who
// change how things look.
func PreviewOf(venue Venue, l Locale) []Sample {
	p := Page{Locale: l, Chosen: l != English, Venue: venue, Code: "K7M2P"}
	const original = "http://www.example.com/breakfast?table=4&for=2"
	login := Login{Page: p, Ways: []Way{Password{}, Click{TermsVersion: "2026-11"}}, Token: "sample", URL: original}
	with := func(change func(*Login)) templ.Component { v := login; change(&v); return v.View() }
	status := Status{Page: p, Username: "anna", Limited: true, Left: 2*time.Hour + 14*time.Minute, Used: 46 * time.Minute,
		Data: sessions.DataView{Limited: true, Left: 768_000_000},
		Down: 218_400_000, Up: 12_730_000, ReadAt: time.Date(2026, 11, 21, 19, 5, 30, 0, time.UTC), URL: original, Token: "sample"}
	samples := []Sample{
		{"login", login.View()},
		{"login-all", with(func(v *Login) { v.Ways = allWays() })},
		{"login-password", with(func(v *Login) { v.Ways = v.Ways[:1] })},
		{"login-click", with(func(v *Login) { v.Ways = v.Ways[1:] })},
		{"login-cleartext", with(func(v *Login) { v.Ways, v.Cleartext = v.Ways[1:], true })},
		{"login-none", with(func(v *Login) { v.Ways = nil })},
		{"login-no-venue", with(func(v *Login) { v.Venue.Name = "" })},
		{"status", status.View()},
		{"status-slow", Status{Page: p, Data: sessions.DataView{Limited: true, Slow: true}, Used: status.Used, ReadAt: status.ReadAt, Token: "sample"}.View()},
		{"status-unlimited", Status{Page: p, Used: 40 * time.Second, ReadAt: status.ReadAt, Token: "sample"}.View()},
		{"logged-out", LoggedOut{Page: p}.View()},
		{"terms", Terms{Page: p, Version: "2026-11", URL: original}.View()},
		{"unknown", Unknown{Page: p}.View()},
	}
	samples = append(samples, voucherSamples(with)...)
	samples = append(samples, proofSamples(p, with)...)
	samples = append(samples, trialSamples(p, with)...)
	samples = append(samples, deviceSamples(p, with)...)
	samples = append(samples, afterSamples(with, status)...)
	samples = append(samples, tokenSamples(with)...)
	samples = append(samples, roomSamples(with)...)
	samples = append(samples, oidcSamples(p, with)...)
	for _, r := range problemsInOrder {
		samples = append(samples, Sample{"login-problem-" + string(r), with(func(v *Login) {
			v.Problem, v.Ways = Problem{Method: sessions.MethodPassword, Reason: r, RetryAfter: 90 * time.Second, Until: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)}, []Way{Password{Username: "anna"}, v.Ways[1]}
		})})
	}
	return samples
}

// allWays are all that a zone may offer at once.
func allWays() []Way {
	return []Way{
		Click{TermsVersion: "2026-11"}, Password{}, Voucher{}, Token{}, Trial{TermsVersion: "2026-11", Time: 15 * time.Minute},
		Contact{By: sessions.MethodEmail}, Contact{By: sessions.MethodSMS}, Register{}, Sponsor{}, Room{}, OIDC{sampleProviders()},
	}
}

// problemsInOrder are all reasons that a login page may have to tell.
var problemsInOrder = []sessions.Reason{
	sessions.RefusedCredentials, sessions.RefusedInactive, sessions.RefusedExpired, sessions.RefusedTooMany,
	sessions.RefusedTerms, sessions.RefusedMethod, sessions.RefusedCleartext, sessions.RefusedCentreAway,
	sessions.RefusedTooOften, sessions.RefusedUnknownZone, sessions.RefusedNotLoggedIn, sessions.RefusedNothingLeft, sessions.RefusedCap,
	sessions.RefusedTooManyOnline, sessions.RefusedBlocked, sessions.RefusedCode, sessions.RefusedMistyped, sessions.RefusedElsewhere, sessions.RefusedNoAccount,
	sessions.RefusedTicket, sessions.RefusedPairing, sessions.RefusedDevice, sessions.RefusedNotKnown,
	sessions.RefusedClosed, sessions.RefusedHours, sessions.RefusedTimeUp, sessions.RefusedTrialUsed, sessions.RefusedTrialFull,
	sessions.RefusedContact, sessions.RefusedField, sessions.RefusedNotSent, sessions.RefusedAnswer, sessions.RefusedProofOver, sessions.RefusedDenied,
	sessions.RefusedWeak, sessions.RefusedProlong, sessions.RefusedPause, sessions.RefusedElapsed, sessions.RefusedNotPaused, Internal, FormExpired,
}
