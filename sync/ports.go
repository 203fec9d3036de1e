package gwsync

import (
	"context"
	"encoding/json"

	"gatehouse/api/edge"
	"gatehouse/sessions"
)

// Outbox is what the centre has not confirmed yet, and where the anchors of boots are kept. The journal satisfies it.
type Outbox interface {
	// Pending returns the oldest entries that are neither merged nor rejected, at most limit, by Seq.
	Pending(ctx context.Context, limit int) ([]sessions.OutboxEntry, error)
	// Merged takes the entries out: the centre has them. Unknown numbers are no error.
	Merged(ctx context.Context, seqs []int64) error
	// Rejected sets the entry aside for the operator: the centre will never take it.
	Rejected(ctx context.Context, seq int64, code, message string) error
	// SkipTo makes the numbers of new entries greater than seq, and reports whether they were not.
	SkipTo(ctx context.Context, seq int64) (behind bool, err error)
	// Depth counts the entries that Pending would return without a limit.
	Depth(ctx context.Context) (int, error)
	// Anchor returns the anchor of a boot; false when none was saved.
	Anchor(ctx context.Context, bootID string) (sessions.Anchor, bool, error)
	// SaveAnchor keeps the anchor of a boot for as long as records of it may be pending. The first one stays.
	SaveAnchor(ctx context.Context, a sessions.Anchor) error
}

// Governor does what the centre wants of this gateway alone.
type Governor interface {
	// Obey carries out an order once, however often it comes. After an error it comes again.
	Obey(ctx context.Context, o sessions.Order) error
	// Configure takes settings, or refuses them, which is no error; Status tells. The same may come again.
	Configure(ctx context.Context, version int64, settings json.RawMessage) error
	// Status is what the gateway tells of itself.
	Status(ctx context.Context) (edge.Status, error)
}

// AccountWriter takes what the centre says about accounts and profiles.
type AccountWriter interface {
	// PutAccount adds or replaces the account with a's UserID; profiles name its profiles, in order.
	PutAccount(ctx context.Context, a sessions.Account, profiles []string) error
	// PutProfile adds or replaces the profile with that id, which PutAccount calls by that name.
	PutProfile(ctx context.Context, id int64, name string, p sessions.Profile) error
	// DeleteAccount returns the name of the account that is gone, empty when there was none.
	DeleteAccount(ctx context.Context, userID int64) (username string, err error)
	// DeleteProfile is no error when there is no such profile.
	DeleteProfile(ctx context.Context, id int64) error
	// UsersOfProfile returns the names of the accounts that list the profile.
	UsersOfProfile(ctx context.Context, name string) ([]string, error)
}

// Feed is how far the change feed was followed.
type Feed interface {
	// Cursor is empty before the first SetCursor.
	Cursor(ctx context.Context) (string, error)
	SetCursor(ctx context.Context, cursor string) error
	// Reset marks everything held as not told again yet; a put takes the mark off. Nothing is removed: logins go on.
	// The marks are durable.
	Reset(ctx context.Context) error
	// Sweep removes what is still marked and returns the names of the accounts among it. Without marks it does nothing.
	Sweep(ctx context.Context) (removed []string, err error)
}

// VoucherWriter takes what the centre says about plans and vouchers.
type VoucherWriter interface {
	// PutPlan adds or replaces the plan with p's ID, and returns the names of the accounts that have it.
	PutPlan(ctx context.Context, p sessions.Plan) (users []string, err error)
	// DeletePlan is no error when there is no such plan.
	DeletePlan(ctx context.Context, id int64) error
	// PutVouchers adds or replaces vouchers, of whose plan only the ID counts, and forgets others. key is that of their hashes;
	// empty: as before.
	PutVouchers(ctx context.Context, key []byte, put []sessions.KnownVoucher, gone []int64) error
}

// Mirror is the gateway's copy of the centre's accounts and vouchers.
type Mirror interface {
	sessions.Accounts
	AccountWriter
	VoucherWriter
	Feed
}
