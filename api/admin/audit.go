package admin

import (
	"encoding/json"

	"time"
)

// AuditEntry is one change in the audit log.
type AuditEntry struct {
	ID           int64           `json:"id"`
	Organization int64           `json:"organization"`
	Seq          int64           `json:"seq"` // in the organisation's chain
	At           time.Time       `json:"at"`
	Actor        string          `json:"actor"` // token 7, user p_…, command root, centre
	Role         string          `json:"role"`
	Address      string          `json:"address"`
	Request      string          `json:"request"`
	Action       string          `json:"action"` // create, update, delete
	Object       string          `json:"object"`
	ObjectID     string          `json:"object_id"` // a number, or a person's pseudonym
	Changes      json.RawMessage `json:"changes"`   // {"field": [before, after]}
}
