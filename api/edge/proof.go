package edge

// The paths of proofs: who a guest is, shown by a code sent to him, a sign-in elsewhere or somebody's word.
const (
	ProofPath      = "/edge/v1/proofs"       // POST ProofRequest -> ProofAnswer
	ProofCheckPath = "/edge/v1/proofs/check" // POST ProofCheck -> ProofResult
)

// Provider is one at which guests sign in (method oidc).
type Provider struct {
	Name  string `json:"name"`
	Title string `json:"title"` // for people
}

// ProofRequest begins a proof.
type ProofRequest struct {
	Method           string            `json:"method"`                 // register, email, sms, oidc, sponsor
	Contact          string            `json:"contact,omitempty"`      // address or number; of a sponsor his address
	Provider         string            `json:"provider,omitempty"`     // of OIDC settings, by name
	Fields           map[string]string `json:"fields,omitempty"`       // of a user, or by the names of user_extra
	Verify           string            `json:"verify,omitempty"`       // of a registration: email or sms; empty: nothing of it is proven
	CountryCode      string            `json:"country_code,omitempty"` // of numbers that have none, without the plus
	Prefixes         []string          `json:"prefixes,omitempty"`     // of numbers that may be sent to, without the plus
	Terms            string            `json:"terms,omitempty"`        // version that the guest has accepted
	Password         string            `json:"password,omitempty"`     // of a registration
	Locale           string            `json:"locale,omitempty"`
	ReturnURL        string            `json:"return_url,omitempty"`
	CallingStationID string            `json:"callingstationid"`
	Zone             string            `json:"zone"`
}

// ProofAnswer is a proof that was begun. Where the centre will not, the answer is an error with retry_after or a field's name.
type ProofAnswer struct {
	Ticket    string   `json:"ticket"` // secret
	URL       string   `json:"url,omitempty"`
	Names     []string `json:"names,omitempty"` // hosts that the browser needs for URL
	ExpiresIn int64    `json:"expires_in"`      // seconds
	ResendIn  int64    `json:"resend_in,omitempty"`
	Given     bool     `json:"given,omitempty"` // nothing more is asked of the guest
}

// The codes of an Error that say what is wrong with a ProofRequest; its status is 422.
const (
	ProofBadContact = "bad_contact" // no address or number that can be sent to from here
	ProofBadField   = "bad_field"   // something that the guest says of himself cannot be
	ProofNotSent    = "not_sent"    // whoever sends messages for the centre did not take it
	ProofNotOffered = "not_offered" // the organisation has not set up what the method needs
)

// ProofCheck asks what became of a proof.
type ProofCheck struct {
	Ticket           string `json:"ticket"`
	Answer           string `json:"answer,omitempty"` // the code
	CallingStationID string `json:"callingstationid"`
	Zone             string `json:"zone"`
	Peek             bool   `json:"peek,omitempty"` // only tell: what is given stays so for the next question, and is told as ready
}

// The states of a proof.
const (
	ProofPending = "pending"
	ProofReady   = "ready" // instead of given, to who only peeks
	ProofGiven   = "given" // once: the next question finds it expired
	ProofWrong   = "wrong" // the answer; another may be tried while Tries is above 0
	ProofDenied  = "denied"
	ProofExpired = "expired"
)

// ProofResult is the state of a proof, with the account once it is given.
type ProofResult struct {
	State   string   `json:"state"`
	Tries   int      `json:"tries,omitempty"` // left
	Account *Account `json:"account,omitempty"`
}
