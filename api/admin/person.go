package admin

import "time"

// The states of an Erasure.
const (
	ErasureRunning  = "running" // the user is deleted; sessions and transactions are being made nobody's
	ErasureFinished = "finished"
)

// Erasure is the forgetting of one person.
type Erasure struct {
	ID        int64      `json:"id"`
	UserID    int64      `json:"user_id"`
	Status    string     `json:"status"`
	Requested time.Time  `json:"requested"`
	Finished  *time.Time `json:"finished"`
	Rows      int64      `json:"rows"` // that have been changed so far
	StepsDone int        `json:"steps_done"`
	Steps     int        `json:"steps"`
}
