package web

import "gatehouse/sessions"

var english = texts{
	Dir:     "ltr",
	Decimal: ".",
	Seconds: "s",
	Minutes: "min",
	Hours:   "h",
	Days:    "days",

	GuestWiFi: "Guest Wi-Fi",
	Welcome:   "Welcome",
	Error:     "Error",

	LogIn:         "Log in",
	UserName:      "User name",
	Password:      "Password",
	PasswordTitle: "With your account",
	ClickTitle:    "Without an account",
	AcceptBefore:  "I have read and accept the ",
	AcceptLink:    "terms of use",
	AcceptAfter:   ".",
	GoOnline:      "Go online",
	Cleartext:     "Logging in with a password is switched off here, because this connection is not encrypted. Please ask the staff for another way to get online.",
	NoMethod:      "There is no way to log in here at the moment. Please ask the staff.",

	Online:     "You are online",
	SignedInAs: "Logged in as",
	TimeLeft:   "Time left",
	NoLimit:    "No limit",
	TimeUsed:   "Time used",
	Downloaded: "Downloaded",
	Uploaded:   "Uploaded",
	ReadAt:     "As of",
	Refresh:    "Refresh",
	ContinueTo: "Continue to",
	LogOut:     "Log out",

	LoggedOut:     "You are logged out",
	LoggedOutText: "Thank you for being our guest. This device is no longer connected to the internet.",
	LogInAgain:    "Log in again",

	Terms:        "Terms of use",
	TermsVersion: "Version {version}",
	TermsDefault: []string{
		"This internet access is offered to guests of the house. Please use it considerately and within the law.",
		"You are responsible for what is done over your connection. Do not use it to harm others, to send unwanted mail or to share protected works without permission.",
		"The wireless network is open to everyone nearby. Protect what is confidential, for example by using websites whose address begins with https.",
		"The times of your use, the amount of data and your device's network address are recorded to run the service and as far as the law requires. What you look at is not recorded.",
		"The access may be limited or ended at any time, and no particular speed or availability is promised.",
	},
	Back: "Back",

	Unknown:     "We cannot see your device",
	UnknownText: "This device does not seem to be on the guest Wi-Fi. Usually this helps:",
	UnknownSteps: []string{
		"Switch Wi-Fi off and on again.",
		"Choose the guest network and wait a moment.",
		"Turn off any VPN until you are logged in.",
	},
	TryAgain: "Try again",

	Problems: map[sessions.Reason]string{
		sessions.RefusedCredentials:   "User name or password is not right. Please check both and try again; capital and small letters matter.",
		sessions.RefusedInactive:      "This account is switched off. Please ask the staff.",
		sessions.RefusedExpired:       "This account has expired. Please ask the staff for a new one.",
		sessions.RefusedTooMany:       "This account is already in use on as many devices as it allows. Log out on another device first.",
		sessions.RefusedTerms:         "To go online, please tick the box to accept the terms of use.",
		sessions.RefusedMethod:        "This way of logging in is not offered here. Please choose one of those below.",
		sessions.RefusedCleartext:     "Logging in with a password is switched off here, because this connection is not encrypted.",
		sessions.RefusedCentreAway:    "Your account is not known at this location yet, and our account service cannot be reached right now. Please try again in a few minutes.",
		sessions.RefusedTooOften:      "Too many attempts. Please wait {wait}, then try again.",
		sessions.RefusedUnknownZone:   "We cannot see your device on the guest network. Please switch Wi-Fi off and on again.",
		sessions.RefusedNotLoggedIn:   "You were not logged in any more.",
		sessions.RefusedNothingLeft:   "There is no time left on this account. Please ask the staff.",
		sessions.RefusedTooManyOnline: "The guest network is full at the moment. Please try again in a few minutes.",
		sessions.RefusedBlocked:       "This device cannot go online here. Please ask the staff.",
		sessions.RefusedNoAccount:     "This account is not known here. Please ask the staff.",
		Internal:                      "Something went wrong on our side. Please try again; if it happens again, ask the staff.",
		FormExpired:                   "This page was open for a while. Please try again.",
	},
}
