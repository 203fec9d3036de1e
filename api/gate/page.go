package gate

// BasePath is where the API begins.
const BasePath = "/api/v1"

// The bounds of a list's limit parameter; more is clamped, anything that is not a positive number is the default.
const (
	DefaultLimit = 20
	MaxLimit     = 100
)

// OffsetPage is a list by limit and offset. Next and Previous are absolute URLs that keep every filter.
type OffsetPage[T any] struct {
	Count    int64   `json:"count"`
	Next     *string `json:"next"`
	Previous *string `json:"previous"`
	Results  []T     `json:"results"`
}

// CursorPage is a list by opaque cursor; it has no count.
type CursorPage[T any] struct {
	Next     *string `json:"next"`
	Previous *string `json:"previous"`
	Results  []T     `json:"results"`
}
