package central

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"gatehouse/api/gate"
	"gatehouse/central/store"
)

const maxOffset = 10000 // of a cursor list: beyond it the cursor is the way

// limit is the page size: the default for anything that is not a positive number.
func (c *call) limit() int {
	n, err := strconv.Atoi(c.FormQuery("limit")) // of one that is beyond all bounds the greatest
	if err != nil && !errors.Is(err, strconv.ErrRange) || n <= 0 {
		return gate.DefaultLimit
	}
	return min(n, gate.MaxLimit)
}

func (c *call) offset() int64 {
	n, err := strconv.ParseInt(c.FormQuery("offset"), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || n < 0 {
		return 0
	}
	return n
}

// FormQuery is the first value of a parameter of the query, never of the body.
func (c *call) FormQuery(name string) string { return c.URL.Query().Get(name) }

// link is this request's absolute URL with another query.
func (c *call) link(query url.Values) *string {
	u := url.URL{Scheme: "http", Host: c.Host, Path: c.URL.Path, RawQuery: query.Encode()}
	if c.TLS != nil || c.Header.Get("X-Forwarded-Proto") == "https" {
		u.Scheme = "https"
	}
	return new(u.String())
}

func offsetPage[T any](c *call, list []T, count int64) gate.OffsetPage[T] {
	limit, offset := int64(c.limit()), c.offset()
	page := gate.OffsetPage[T]{Count: count, Results: list}
	at := func(offset int64) *string {
		query := c.URL.Query()
		query.Set("limit", strconv.FormatInt(limit, 10))
		query.Set("offset", strconv.FormatInt(offset, 10))
		if offset <= 0 {
			query.Del("offset")
		}
		return c.link(query)
	}
	if offset < count && limit < count-offset {
		page.Next = at(offset + limit)
	}
	if offset > 0 {
		page.Previous = at(offset - limit)
	}
	return page
}

// cursor is a place in a list and the filters that the list was asked with. It holds nothing that its reader may not know
// and opens nothing: what a token may see is decided by the token alone. It is signed, so that what comes back is what was given
// out and its filters need no second look.
type cursor struct {
	List     string            `json:"l"`
	At       int64             `json:"t"`
	ID       int64             `json:"i"`
	Backward bool              `json:"b,omitempty"`
	Filters  map[string]string `json:"f,omitempty"`
}

// cursorMAC is how many bytes of a cursor's end are its signature.
const cursorMAC = 16

func (k cursor) text(key []byte) string {
	b, _ := json.Marshal(k) // strings and numbers only
	return base64.RawURLEncoding.EncodeToString(append(b, signCursor(key, b)...))
}

func signCursor(key, b []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("cursor\x00"))
	mac.Write(b)
	return mac.Sum(nil)[:cursorMAC]
}

// cursorQuery is what a request asks of a cursor list.
type cursorQuery struct {
	c       *call
	list    string
	filters map[string]string
	page    store.Page
}

// cursorQuery reads the page and the filters with these names. A filter beside a cursor must be the cursor's own.
func (c *call) cursorQuery(list string, names ...string) (*cursorQuery, error) {
	q := &cursorQuery{c: c, list: list, filters: make(map[string]string), page: store.Page{Limit: c.limit()}}
	query := c.URL.Query()
	for name, values := range query {
		if v := strings.Join(values, ","); v != "" && slices.Contains(names, name) {
			q.filters[name] = v
		}
	}
	text := query.Get("cursor")
	if text == "" {
		offset := c.offset()
		if offset > maxOffset {
			return nil, invalidField("offset", "Ensure this value is less than or equal to 10000; follow the next links instead.")
		}
		q.page.Offset = int(offset)
		return q, nil
	}
	k, ok := parseCursor(c.signKey, text)
	if !ok || k.List != list {
		return nil, invalidField("cursor", "Invalid cursor.")
	}
	for name, value := range q.filters {
		if k.Filters[name] != value {
			return nil, invalidField("cursor", "This cursor was made with another "+name+".")
		}
	}
	if k.Filters != nil {
		q.filters = k.Filters
	}
	q.page.From, q.page.Backward = &store.Position{At: k.At, ID: k.ID}, k.Backward
	return q, nil
}

func parseCursor(key []byte, text string) (k cursor, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(text, "="))
	if err != nil || len(b) < cursorMAC {
		return k, false
	}
	b, sum := b[:len(b)-cursorMAC], b[len(b)-cursorMAC:]
	return k, hmac.Equal(sum, signCursor(key, b)) && json.Unmarshal(b, &k) == nil
}

func (q *cursorQuery) link(at store.Position, backward bool) *string {
	query := url.Values{"limit": {strconv.Itoa(q.page.Limit)}}
	for name, value := range q.filters {
		query.Set(name, value)
	}
	query.Set("cursor", cursor{List: q.list, At: at.At, ID: at.ID, Backward: backward, Filters: q.filters}.text(q.c.signKey))
	return q.c.link(query)
}

// cursorPage is the answer. more tells whether there is something beyond the page in the direction of reading.
func cursorPage[T any](q *cursorQuery, list []T, more bool, position func(T) store.Position) gate.CursorPage[T] {
	page := gate.CursorPage[T]{Results: list}
	older, newer := more, q.page.From != nil || q.page.Offset > 0
	if q.page.Backward {
		older, newer = true, more
	}
	if len(list) == 0 { // all that was here is gone; the way back is from where we stand
		if q.page.From != nil && !q.page.Backward {
			page.Previous = q.link(*q.page.From, true)
		}
		return page
	}
	if older {
		page.Next = q.link(position(list[len(list)-1]), false)
	}
	if newer {
		page.Previous = q.link(position(list[0]), true)
	}
	return page
}
