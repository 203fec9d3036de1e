package edge

import "time"

// Version grows by one with every change of this contract; CHANGELOG.md says what each brought.
const Version = 3

// The paths, below the centre's base URL. Every request carries `Authorization: Bearer <token>` with a token of role edge
// and the header NASHeader.
const (
	IngestPath       = "/edge/v1/ingest"       // POST, NDJSON of Record (Content-Encoding: gzip or zstd allowed) -> IngestAnswer
	AuthenticatePath = "/edge/v1/authenticate" // POST AuthenticateRequest -> AuthenticateAnswer
	ChangesPath      = "/edge/v1/changes"      // GET ?cursor=C&wait=SECONDS -> ChangesAnswer
	ClaimPath        = "/edge/v1/claim"        // POST ClaimRequest, without a token -> ClaimAnswer
	CertificatePath  = "/edge/v1/certificate"  // POST CertificateRequest -> CertificateAnswer

	// NASHeader names the gateway: its NAS-Identifier.
	NASHeader = "Gatehouse-NAS-Identifier"
	// StatusHeader carries a Status in JSON on requests for changes. It may be left out.
	StatusHeader = "Gatehouse-Status"

	// MaxBatch is the most records that one ingest request may carry.
	MaxBatch = 1000
	// MaxWait is the longest a changes request is held open, in seconds.
	MaxWait = 60
)

// Record is one line of an ingest body. Exactly one of Accounting, Transaction and Outcome is set.
type Record struct {
	Seq         int64        `json:"seq"` // the gateway's own; comes back in Result
	Accounting  *Accounting  `json:"accounting,omitempty"`
	Transaction *Transaction `json:"transaction,omitempty"`
	Outcome     *Outcome     `json:"outcome,omitempty"`
}

// Accounting is the cumulative state of one session, in the column names of FreeRADIUS's radacct. Times are UTC.
// The centre merges by (AcctUniqueID, AcctStartTime): greatest counters and update time, first stop wins, start and
// identity never change. A counter above 2^53-1 and seconds above 2^31 are taken for these bounds.
type Accounting struct {
	AcctStatusType     string     `json:"acctstatustype"` // Start, Interim-Update, Stop
	AcctUniqueID       string     `json:"acctuniqueid"`   // md5 as FreeRADIUS makes it (standards.md §4.5)
	AcctSessionID      string     `json:"acctsessionid"`
	AcctMultiSessionID string     `json:"acctmultisessionid,omitempty"`
	Username           string     `json:"username"`
	UserID             int64      `json:"user_id,omitempty"` // GATE user id; 0: unknown to the centre
	NASIPAddress       string     `json:"nasipaddress"`
	NASIdentifier      string     `json:"nasidentifier"`
	NASPortID          string     `json:"nasportid,omitempty"`
	NASPortType        string     `json:"nasporttype,omitempty"` // Wireless-802.11
	AcctStartTime      time.Time  `json:"acctstarttime"`
	AcctUpdateTime     time.Time  `json:"acctupdatetime"`
	AcctStopTime       *time.Time `json:"acctstoptime,omitempty"`
	AcctInterval       int64      `json:"acctinterval,omitempty"` // seconds
	AcctSessionTime    int64      `json:"acctsessiontime"`        // seconds
	AcctAuthentic      string     `json:"acctauthentic"`          // Local
	AcctInputOctets    uint64     `json:"acctinputoctets"`        // from the station
	AcctOutputOctets   uint64     `json:"acctoutputoctets"`       // to the station
	AcctInputPackets   uint64     `json:"acctinputpackets"`
	AcctOutputPackets  uint64     `json:"acctoutputpackets"`
	CalledStationID    string     `json:"calledstationid,omitempty"`
	CallingStationID   string     `json:"callingstationid"`
	AcctTerminateCause string     `json:"acctterminatecause,omitempty"` // RFC 2866 spelling
	ServiceType        string     `json:"servicetype,omitempty"`
	FramedProtocol     string     `json:"framedprotocol,omitempty"`
	FramedIPAddress    string     `json:"framedipaddress,omitempty"`
	ConnectInfoStart   string     `json:"connectinfo_start,omitempty"`
	ConnectInfoStop    string     `json:"connectinfo_stop,omitempty"`
	GroupName          string     `json:"groupname,omitempty"` // short name of the account's first profile; the centre fills it in
	Class              string     `json:"klass,omitempty"`
	LocationID         int64      `json:"location_id,omitempty"`
	LocationName       string     `json:"location_name,omitempty"`
	AccessPointID      int64      `json:"access_point_id,omitempty"`
	AccessPointName    string     `json:"access_point_name,omitempty"`
	AccessPointMAC     string     `json:"access_point_mac_addr,omitempty"`
	SSID               string     `json:"ssid,omitempty"`
	// VoucherID is the voucher that let the station in; VoucherFirst tells that the gateway knew of no use of it before.
	VoucherID    int64 `json:"voucher_id,omitempty"`
	VoucherFirst bool  `json:"voucher_first,omitempty"`
	// Transaction is the id of the transaction that began the session, when there is one.
	UserTransactionID string `json:"user_transaction_id,omitempty"`
}

// Transaction is one line for GATE's transaction log. The centre keeps one line per ID.
type Transaction struct {
	ID              string    `json:"id"` // UUID made at the gateway
	DateTime        time.Time `json:"datetime"`
	Type            string    `json:"type"`   // GATE TX_TYPE: ui, uo, st, ...
	Status          string    `json:"status"` // h200, u401, ...
	Message         string    `json:"message"`
	Username        string    `json:"username,omitempty"`
	UserID          int64     `json:"user_id,omitempty"`
	SessionID       string    `json:"session_id,omitempty"` // Acct-Session-Id
	Action          string    `json:"action,omitempty"`
	PageURL         string    `json:"page_url,omitempty"`
	Site            string    `json:"site,omitempty"` // NAS-Identifier
	UserAgent       string    `json:"user_agent,omitempty"`
	RemoteIP        string    `json:"remote_ip,omitempty"`
	MAC             string    `json:"mac,omitempty"`
	LocationID      int64     `json:"location_id,omitempty"`
	LocationName    string    `json:"location_name,omitempty"`
	AccessPointID   int64     `json:"access_point_id,omitempty"`
	AccessPointName string    `json:"access_point_name,omitempty"`
	SSID            string    `json:"ssid,omitempty"`
}

// The outcomes of one record.
const (
	Merged    = "merged"    // in the database, new or changed
	Duplicate = "duplicate" // in the database already, nothing changed
	Rejected  = "rejected"  // can never be accepted; Code and Message say why
	// Stored: the database is away, and the record waits beside it. The gateway keeps its copy and sends it again later; a lost
	// disk of the centre then loses nothing.
	Stored = "stored"
)

// Result is what became of one record.
type Result struct {
	Seq     int64  `json:"seq"`
	Status  string `json:"status"`
	Code    string `json:"code,omitempty"` // invalid, too_old, ...
	Message string `json:"message,omitempty"`
}

// IngestAnswer is sent after the database has committed; one Result per record, in the order of the request.
type IngestAnswer struct {
	Results []Result `json:"results"`
	// MergedThrough is the greatest Seq that the centre has settled for this gateway so far. A gateway sends its oldest
	// records first and keeps what is not settled, so nothing at or below it waits for its first sending. Numbers of its own that
	// are lower than this tell a gateway that its journal is not the one that it had: they must go on above it. Records
	// are never to be dropped because of it, only because of their Result.
	MergedThrough int64 `json:"merged_through"`
}

// AuthenticateRequest asks the centre about one user.
type AuthenticateRequest struct {
	Username         string `json:"username"`
	Password         string `json:"password"`
	CallingStationID string `json:"callingstationid,omitempty"`
	Zone             string `json:"zone,omitempty"`
}

// AuthenticateAnswer says whether user name and password are right. A wrong password and an unknown user give the same
// answer. The account follows only when they are right; it also becomes one of those that this gateway hears changes of.
type AuthenticateAnswer struct {
	Authenticated bool     `json:"authenticated"`
	Account       *Account `json:"account,omitempty"`
}

// Account is a user as a gateway needs it: no password, no hash, nothing of user_extra.
type Account struct {
	UserID            int64      `json:"user_id"`
	Username          string     `json:"username"`
	Active            bool       `json:"is_active"`
	Expiration        *time.Time `json:"expiration,omitempty"`
	Class             string     `json:"klass,omitempty"`
	CredentialVersion int64      `json:"credential_version"`
	Profiles          []string   `json:"profile"` // short names of AAA profiles, in order
	// ProfileIDs are the ids of the same profiles. Two organisations may use one short name; an id is one profile's.
	ProfileIDs []int64 `json:"profile_ids"`
	PlanID     int64   `json:"plan_id,omitempty"` // 0: none
	// TimeBalance is there when the user pays with time; without it no balance bounds the sessions.
	TimeBalance *TimeBalance `json:"time_balance,omitempty"`
	// Elsewhere is there when a profile of the user counts how long he is online: what his sessions at other gateways have lasted, as
	// far as accounting has told. Periods in which there was none are left out.
	Elsewhere []Elsewhere `json:"elsewhere,omitempty"`
}

// Elsewhere is time of one period.
type Elsewhere struct {
	Period  int    `json:"period"` // 0: a day, 1: a week from Monday on, 2: a month, 3: ever
	Start   string `json:"start"`  // its first day, as in 2026-11-30, in the time zone of the gateway's organisation; "life": ever
	Seconds int64  `json:"seconds"`
}

// TimeBalance is the slice of a user's time balance that is lent to this gateway. The sessions of the user there spend it
// together, each its own seconds, counted since the lease began; more is lent under the same id. Accounting settles it.
type TimeBalance struct {
	Lease   int64     `json:"lease"`   // 0: nothing is lent here
	Seconds int64     `json:"seconds"` // to be spent in all
	Spent   int64     `json:"spent"`   // of it, as the centre knows by accounting
	Grace   int64     `json:"grace"`   // seconds that may be spent beyond, where the centre cannot be asked
	Ends    time.Time `json:"ends"`    // from then on ask again before a session begins
	Balance *int64    `json:"balance"` // all that the user has, what is lent included; negative: overdrawn. Nil: not said
	Behind  int64     `json:"behind"`  // of it, lent to no gateway yet
}

// Profile is an AAA profile: what its users may, as RADIUS attributes.
type Profile struct {
	ID             int64       `json:"id"`
	ShortName      string      `json:"short_name"`
	ReplyAttribute []Attribute `json:"reply_attribute"`
	CheckAttribute []Attribute `json:"check_attribute"`
}

// Attribute is one RADIUS attribute with FreeRADIUS's operator.
type Attribute struct {
	Attribute string `json:"attribute"`
	Op        string `json:"op"`
	Value     string `json:"value"`
}

// Plan is what a voucher or an account may. Null: no bound, or what the zone says for rates, devices and idle timeout, where 0
// is unlimited.
type Plan struct {
	ID           int64      `json:"id"`
	Name         string     `json:"name"`
	TimeSeconds  *int64     `json:"time_seconds,omitempty"`
	Elapsed      bool       `json:"elapsed,omitempty"` // time runs from the first use on
	DataOctets   *int64     `json:"data_octets,omitempty"`
	RateUp       *int64     `json:"rate_up,omitempty"` // bit/s
	RateDown     *int64     `json:"rate_down,omitempty"`
	Devices      *int64     `json:"devices,omitempty"`
	IdleTimeout  *int64     `json:"idle_timeout,omitempty"`  // seconds
	ValidSeconds *int64     `json:"valid_seconds,omitempty"` // from the first use on
	ValidUntil   *time.Time `json:"valid_until,omitempty"`
	Zones        []string   `json:"zones,omitempty"`
	Extendable   bool       `json:"extendable,omitempty"`
}

// Voucher is one code's right to be online. The code is not in it.
type Voucher struct {
	ID           int64      `json:"id"`
	PlanID       int64      `json:"plan_id"`
	Hash         []byte     `json:"hash"` // HMAC-SHA-256 of the code with ChangesAnswer.VoucherKey, the first 16 octets
	Revoked      bool       `json:"revoked,omitempty"`
	ValidUntil   *time.Time `json:"valid_until,omitempty"` // instead of the plan's bounds
	ExtraSeconds int64      `json:"extra_seconds,omitempty"`
	ExtraOctets  int64      `json:"extra_octets,omitempty"`
	FirstUsed    *time.Time `json:"first_used,omitempty"` // anywhere
	// What this gateway's own sessions have used as far as the centre knows, and what those of all others have.
	HereSeconds      int64 `json:"here_seconds,omitempty"`
	HereOctets       int64 `json:"here_octets,omitempty"`
	ElsewhereSeconds int64 `json:"elsewhere_seconds,omitempty"`
	ElsewhereOctets  int64 `json:"elsewhere_octets,omitempty"`
}

// Change is one thing that is not as it was. Exactly one of the pointers is set, or one of the deletions.
type Change struct {
	Account        *Account `json:"account,omitempty"`
	Profile        *Profile `json:"profile,omitempty"`
	Plan           *Plan    `json:"plan,omitempty"`
	Voucher        *Voucher `json:"voucher,omitempty"`
	DeletedUserID  int64    `json:"deleted_user_id,omitempty"`
	DeletedProfile int64    `json:"deleted_profile_id,omitempty"`
	DeletedPlan    int64    `json:"deleted_plan_id,omitempty"`
	DeletedVoucher int64    `json:"deleted_voucher_id,omitempty"`
	// Event is something to be done once, by this gateway; Configuration is what it shall be set to from now on.
	Event         *Event         `json:"event,omitempty"`
	Configuration *Configuration `json:"configuration,omitempty"`
}

// ChangesAnswer is what changed since the cursor. An unknown or too old cursor begins again: Reset is true, and what the
// gateway holds and is not told again is gone.
type ChangesAnswer struct {
	Cursor  string   `json:"cursor"`
	Reset   bool     `json:"reset,omitempty"`
	More    bool     `json:"more,omitempty"` // ask again at once
	Changes []Change `json:"changes"`
	// VoucherKey is the key of Voucher.Hash. It stands beside changes that have vouchers.
	VoucherKey []byte `json:"voucher_key,omitempty"`
	// Providers are all at which guests may sign in now.
	Providers []Provider `json:"providers,omitempty"`
}

// Error is the body of every answer that is not 2xx.
type Error struct {
	Code       string `json:"code"` // unauthorized, forbidden, invalid, too_large, unavailable, internal
	Message    string `json:"detail"`
	RetryAfter int    `json:"retry_after,omitempty"` // seconds
}
