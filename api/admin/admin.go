package admin

// BasePath is where the API begins.
const BasePath = "/admin/v1"

// The codes of an Error.
const (
	CodeInvalid            = "invalid"             // 400: Errors says what of the request is wrong
	CodeUnauthorized       = "unauthorized"        // 401
	CodeForbidden          = "forbidden"           // 403: not with this token's role
	CodeNotFound           = "not_found"           // 404
	CodeMethodNotAllowed   = "method_not_allowed"  // 405
	CodeConflict           = "conflict"            // 409: not as things are; Detail says what is in the way
	CodeDuplicate          = "duplicate"           // 409: another one has this name; Errors says in which field
	CodePreconditionFailed = "precondition_failed" // 412: somebody else has changed it since; read it again
	CodeTooLarge           = "too_large"           // 413
	CodeUnsupported        = "unsupported"         // 415: the body is no JSON
	CodeTooManyRequests    = "too_many_requests"   // 429
	CodeInternal           = "internal"            // 500
	CodeUnavailable        = "unavailable"         // 503: the database is away; nothing was done
)

// Error is the body of every answer that is not 2xx.
type Error struct {
	Code       string              `json:"code"`
	Detail     string              `json:"detail"`                // for people
	Errors     map[string][]string `json:"errors,omitempty"`      // per field or parameter
	RetryAfter int                 `json:"retry_after,omitempty"` // seconds, as in the header Retry-After
}

// Page is a stretch of a list. Next and Previous are absolute URLs that keep every filter, null at the ends.
type Page[T any] struct {
	Next     *string `json:"next"`
	Previous *string `json:"previous"`
	Results  []T     `json:"results"`
}
