package web

import "gatehouse/sessions"

var german = texts{
	Dir:     "ltr",
	Decimal: ",",
	Seconds: "s",
	Minutes: "min",
	Hours:   "h",
	Days:    "Tage",

	GuestWiFi: "Gäste-WLAN",
	Welcome:   "Willkommen",
	Error:     "Fehler",

	LogIn:         "Anmelden",
	UserName:      "Benutzername",
	Password:      "Passwort",
	PasswordTitle: "Mit Ihrem Konto",
	ClickTitle:    "Ohne Konto",
	AcceptBefore:  "Ich habe die ",
	AcceptLink:    "Nutzungsbedingungen",
	AcceptAfter:   " gelesen und nehme sie an.",
	GoOnline:      "Online gehen",
	Cleartext:     "Die Anmeldung mit Passwort ist hier abgeschaltet, weil diese Verbindung nicht verschlüsselt ist. Bitte fragen Sie das Personal nach einem anderen Zugang.",
	NoMethod:      "Eine Anmeldung ist hier zurzeit nicht möglich. Bitte wenden Sie sich an das Personal.",

	Online:     "Sie sind online",
	SignedInAs: "Angemeldet als",
	TimeLeft:   "Verbleibende Zeit",
	NoLimit:    "Unbegrenzt",
	TimeUsed:   "Genutzte Zeit",
	Downloaded: "Empfangen",
	Uploaded:   "Gesendet",
	ReadAt:     "Stand",
	Refresh:    "Aktualisieren",
	ContinueTo: "Weiter zu",
	LogOut:     "Abmelden",

	LoggedOut:     "Sie sind abgemeldet",
	LoggedOutText: "Danke, dass Sie unser Gast waren. Dieses Gerät ist nicht mehr mit dem Internet verbunden.",
	LogInAgain:    "Wieder anmelden",

	Terms:        "Nutzungsbedingungen",
	TermsVersion: "Fassung {version}",
	TermsDefault: []string{
		"Dieser Internetzugang steht den Gästen des Hauses offen. Bitte nutzen Sie ihn rücksichtsvoll und im Rahmen der Gesetze.",
		"Sie sind dafür verantwortlich, was über Ihre Verbindung geschieht. Schaden Sie niemandem, versenden Sie keine unerwünschte Post und verbreiten Sie keine geschützten Werke ohne Erlaubnis.",
		"Das Funknetz steht allen in der Nähe offen. Schützen Sie Vertrauliches, zum Beispiel durch Seiten, deren Adresse mit https beginnt.",
		"Zeiten der Nutzung, Datenmenge und die Netzadresse Ihres Geräts werden für den Betrieb und im gesetzlich nötigen Umfang aufgezeichnet. Was Sie ansehen, wird nicht aufgezeichnet.",
		"Der Zugang kann jederzeit beschränkt oder beendet werden; eine bestimmte Geschwindigkeit oder Verfügbarkeit wird nicht zugesagt.",
	},
	Back: "Zurück",

	Unknown:     "Wir sehen Ihr Gerät nicht",
	UnknownText: "Dieses Gerät scheint nicht im Gäste-WLAN zu sein. Meist hilft:",
	UnknownSteps: []string{
		"WLAN aus- und wieder einschalten.",
		"Das Gästenetz wählen und einen Moment warten.",
		"Ein VPN bis nach der Anmeldung ausschalten.",
	},
	TryAgain: "Noch einmal versuchen",

	Problems: map[sessions.Reason]string{
		sessions.RefusedCredentials:   "Benutzername oder Passwort stimmt nicht. Bitte prüfen Sie beides; Groß- und Kleinschreibung zählt.",
		sessions.RefusedInactive:      "Dieses Konto ist abgeschaltet. Bitte wenden Sie sich an das Personal.",
		sessions.RefusedExpired:       "Dieses Konto ist abgelaufen. Bitte lassen Sie sich vom Personal ein neues geben.",
		sessions.RefusedTooMany:       "Dieses Konto wird schon auf so vielen Geräten genutzt, wie es erlaubt. Melden Sie sich zuerst auf einem anderen Gerät ab.",
		sessions.RefusedTerms:         "Um online zu gehen, setzen Sie bitte das Häkchen bei den Nutzungsbedingungen.",
		sessions.RefusedMethod:        "Diese Art der Anmeldung gibt es hier nicht. Bitte wählen Sie eine der folgenden.",
		sessions.RefusedCleartext:     "Die Anmeldung mit Passwort ist hier abgeschaltet, weil diese Verbindung nicht verschlüsselt ist.",
		sessions.RefusedCentreAway:    "Ihr Konto ist an diesem Ort noch nicht bekannt, und unsere Kontenverwaltung ist gerade nicht erreichbar. Bitte versuchen Sie es in einigen Minuten noch einmal.",
		sessions.RefusedTooOften:      "Zu viele Versuche. Bitte warten Sie {wait} und versuchen Sie es dann noch einmal.",
		sessions.RefusedUnknownZone:   "Wir sehen Ihr Gerät nicht im Gästenetz. Bitte schalten Sie das WLAN aus und wieder ein.",
		sessions.RefusedNotLoggedIn:   "Sie waren nicht mehr angemeldet.",
		sessions.RefusedNothingLeft:   "Auf diesem Konto ist keine Zeit mehr übrig. Bitte wenden Sie sich an das Personal.",
		sessions.RefusedTooManyOnline: "Das Gästenetz ist gerade voll. Bitte versuchen Sie es in einigen Minuten noch einmal.",
		sessions.RefusedBlocked:       "Dieses Gerät kann hier nicht online gehen. Bitte wenden Sie sich an das Personal.",
		sessions.RefusedNoAccount:     "Dieses Konto ist hier nicht bekannt. Bitte wenden Sie sich an das Personal.",
		Internal:                      "Bei uns ist etwas schiefgegangen. Bitte versuchen Sie es noch einmal; sonst wenden Sie sich an das Personal.",
		FormExpired:                   "Diese Seite war eine Weile offen. Bitte versuchen Sie es noch einmal.",
	},
}
