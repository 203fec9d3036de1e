package sessions

import "time"

// Reason says why a login was refused. Pages and tools choose their words by it.
type Reason string

// The reasons.
const (
	RefusedCredentials   Reason = "wrong_credentials"   // unknown user or wrong password: never told apart
	RefusedInactive      Reason = "account_inactive"    // known and proven, but switched off
	RefusedExpired       Reason = "account_expired"     // known and proven, but past its date
	RefusedTooMany       Reason = "too_many_sessions"   // Simultaneous-Use reached
	RefusedTerms         Reason = "terms_not_accepted"  // click-through without the box ticked
	RefusedMethod        Reason = "method_not_offered"  // the zone does not offer this way in
	RefusedCleartext     Reason = "cleartext_forbidden" // a password over plain HTTP where the zone forbids it
	RefusedCentreAway    Reason = "centre_unreachable"  // unknown here, and the centre cannot be asked now
	RefusedTooOften      Reason = "too_many_attempts"   // wait RetryAfter
	RefusedUnknownZone   Reason = "unknown_station"     // the station is in no zone of ours
	RefusedNotLoggedIn   Reason = "not_logged_in"       // logout without a session
	RefusedNothingLeft   Reason = "nothing_left"        // no time left
	RefusedCap           Reason = "data_used_up"        // no data left in this day, week or month
	RefusedTooManyOnline Reason = "gateway_full"        // no station id free
	RefusedCode          Reason = "wrong_code"          // no voucher has this code
	RefusedMistyped      Reason = "mistyped_code"       // no voucher can have it: its check fails
	RefusedElsewhere     Reason = "not_valid_here"      // the account or voucher is for other zones
	RefusedBlocked       Reason = "blocked"             // an AccessRule says so; nothing of it is told to the guest
	RefusedTicket        Reason = "proof_too_old"       // who he is was shown too long ago, or to somebody else
	RefusedPairing       Reason = "wrong_device_code"   // no device shows this code
	RefusedDevice        Reason = "device_taken"        // the device is online, or not a guest's to add
	RefusedNotKnown      Reason = "not_remembered"      // the browser's secret is nobody's any more
	RefusedClosed        Reason = "closed"              // outside of the opening hours, until Until
	RefusedHours         Reason = "outside_hours"       // the account's own, until Until
	RefusedTimeUp        Reason = "time_used_up"        // the account's of this day, week or month, until Until
	RefusedTrialUsed     Reason = "trial_used"          // the device has had its trial, until Until
	RefusedTrialFull     Reason = "trial_full"          // the zone has given as many trials as it gives at once, or until Until
	RefusedContact       Reason = "bad_contact"         // no mail address or number that a message can go to
	RefusedField         Reason = "bad_field"           // something that the guest says of himself is missing or cannot be
	RefusedNotSent       Reason = "not_sent"            // the centre could not send its message
	RefusedAnswer        Reason = "wrong_answer"        // the code of a proof; another may be tried
	RefusedProofOver     Reason = "proof_over"          // a proof's time or tries are used up: begin anew
	RefusedDenied        Reason = "proof_denied"        // who was asked has said no
	RefusedWeak          Reason = "weak_password"       // the new password is too short, or the user name
	RefusedProlong       Reason = "cannot_extend"       // as often as the zone lets guests do it, or nothing to extend
	RefusedPause         Reason = "cannot_pause"        // the zone does not offer it, or there is no time to be kept
	RefusedElapsed       Reason = "time_runs_on"        // the plan's time runs from its first use, online or not
	RefusedNotPaused     Reason = "not_paused"          // nothing to resume, or kept for longer than the zone does
	RefusedNoAccount     Reason = "unknown_account"     // a pre-authorized station's account is not known here
)

// Refusal is the answer to a guest who may not do what was asked. It is not a fault of gatehouse.
type Refusal struct {
	Reason     Reason
	RetryAfter time.Duration // for RefusedTooOften; rounded up to seconds by who shows it
	Slot       *Slot         // for RefusedTooMany, where one can be freed
	Until      time.Time     // when it is worth while to come again; zero: not known
}

// Error implements error.
func (r *Refusal) Error() string { return "refused: " + string(r.Reason) }
