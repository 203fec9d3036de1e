package web

import "gatehouse/sessions"

// parts are all areas by their names, for what goes over all words.
var parts = map[string]any{"common": common, "proof": proofWords, "voucher": voucherWords, "token": tokenWords, "room": roomWords, "after": afterWords, "trial": trialWords, "devices": deviceWords, "oidc": oidcWords}

var common = area[texts]{
	English: &english, Spanish: &spanish, French: &french, German: &german, Portuguese: &portuguese,
	Italian: &italian, Arabic: &arabic, Chinese: &chinese, Japanese: &japanese, Hindi: &hindi,
}

// texts are the words that pages share, in one language. A field left empty fails the tests. {n}, {wait}, {link} and {version}
// stand for what is put there.
type texts struct {
	Dir      string // ltr or rtl
	Language string
	Decimal  string
	Seconds  string
	Minutes  string
	Hours    string
	Days     []string  // three and more; three forms where a language has them: 3 to 10, 11 to 99, the rest, by the last two digits
	Units    [4]string // thousands, millions and so on of octets

	GuestWiFi string
	Welcome   string
	Error     string // before the title of a page that tells of a problem

	LogIn         string
	UserName      string
	Password      string
	PasswordTitle string
	ClickTitle    string
	Accept        string
	AcceptLink    string
	GoOnline      string
	Cleartext     string
	NoMethod      string

	Online     string
	SignedInAs string
	TimeLeft   string
	NoLimit    string
	TimeUsed   string
	DataLeft   string
	DataSlow   string // in its place once a data cap is used up
	Downloaded string
	Uploaded   string
	ReadAt     string
	Refresh    string
	ContinueTo string
	LogOut     string

	LoggedOut     string
	LoggedOutText string
	LogInAgain    string

	Terms        string
	TermsVersion string
	TermsDefault []string
	Back         string

	Unknown      string
	UnknownText  string
	UnknownSteps []string
	TryAgain     string

	Problems map[sessions.Reason]string
}

// Reasons that the pages know besides those of sessions.
const (
	Internal    sessions.Reason = "internal"     // a fault of ours
	FormExpired sessions.Reason = "form_expired" // the form was too old, or from before a restart
)

func (t *texts) problem(r sessions.Reason) string {
	if s, ok := t.Problems[r]; ok {
		return s
	}
	return t.Problems[Internal]
}
