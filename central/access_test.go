package central_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"gatehouse/central"
	"gatehouse/central/store"
)

const whoAmI = "/api/v1/me/organization/"

func (c *centre) issue(spec store.TokenSpec) string {
	c.t.Helper()
	spec.Organization, spec.Role = "acme", store.RoleReadonly
	token, err := c.store.IssueToken(c.t.Context(), spec)
	if err != nil {
		c.t.Fatal(err)
	}
	return token
}

func bearing(token string, more ...string) map[string]string {
	h := map[string]string{"Authorization": "Bearer " + token}
	for i := 0; i < len(more); i += 2 {
		h[more[i]] = more[i+1]
	}
	return h
}

// lastToken is what the list of tokens says of the newest.
func (c *centre) lastToken() store.TokenInfo {
	c.t.Helper()
	list, err := c.store.Tokens(c.t.Context(), "acme")
	if err != nil {
		c.t.Fatal(err)
	}
	return list[len(list)-1]
}

func TestTokenExpires(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	h := bearing(c.issue(store.TokenSpec{Expires: noon.Add(time.Hour)}))
	c.want(http.StatusOK, ask{method: "GET", path: whoAmI, header: h}, nil)
	c.clock.Advance(time.Hour)
	c.want(http.StatusUnauthorized, ask{method: "GET", path: whoAmI, header: h}, nil)
}

func TestTokenRevokedInEveryProcess(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	db, err := store.Open(t.Context(), store.Config{URL: c.db, Now: c.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	other, err := central.New(t.Context(), central.Config{Store: db, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Clock: c.clock})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(other.Handler())
	defer web.Close()
	h := bearing(c.issue(store.TokenSpec{}))
	c.want(http.StatusOK, ask{method: "GET", path: web.URL + whoAmI, header: h}, nil)
	if err := c.store.RevokeToken(t.Context(), c.lastToken().ID); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{c.url, web.URL} {
		c.want(http.StatusUnauthorized, ask{method: "GET", path: url + whoAmI, header: h}, nil)
	}
	if err := c.store.RevokeToken(t.Context(), c.lastToken().ID); err != store.ErrNotFound {
		t.Errorf("revoked again: %v", err)
	}
}

func TestTokenRotation(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	first := c.issue(store.TokenSpec{})
	id := c.lastToken().ID
	rotate := func(overlap time.Duration) string {
		token, err := c.store.RotateToken(t.Context(), id, overlap)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	good := func(token string, want int) {
		t.Helper()
		c.want(want, ask{method: "GET", path: whoAmI, header: bearing(token)}, nil)
	}
	second := rotate(time.Hour)
	good(first, http.StatusOK)
	good(second, http.StatusOK)
	c.clock.Advance(time.Hour)
	good(first, http.StatusUnauthorized)
	good(second, http.StatusOK)
	third := rotate(0)
	good(second, http.StatusUnauthorized)
	good(third, http.StatusOK)
	if err := c.store.RevokeToken(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	good(third, http.StatusUnauthorized)
	if _, err := c.store.RotateToken(t.Context(), id, 0); err != store.ErrNotFound {
		t.Errorf("a revoked token was rotated: %v", err)
	}
}

func TestTokenNetworks(t *testing.T) {
	t.Parallel()
	networks := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	const via = "X-Forwarded-For"
	direct := newCentre(t)
	h := bearing(direct.issue(store.TokenSpec{Networks: networks}), via, "192.0.2.7")
	direct.want(http.StatusForbidden, ask{method: "GET", path: whoAmI, header: h}, nil) // anybody may say so

	proxied := newCentre(t, func(cfg *central.Config) {
		cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
	})
	token := proxied.issue(store.TokenSpec{Networks: networks})
	for from, want := range map[string]int{
		"192.0.2.7":                http.StatusOK,
		"192.0.2.7:4711":           http.StatusOK,
		"2001:db8::1":              http.StatusOK,
		"[2001:db8::1]:80":         http.StatusOK,
		"::ffff:192.0.2.7":         http.StatusOK,
		"203.0.113.1, 192.0.2.7":   http.StatusOK,
		"192.0.2.7, 10.1.1.1":      http.StatusOK,
		"192.0.2.7, 203.0.113.1":   http.StatusForbidden, // the client's own invention
		"192.0.2.7, junk":          http.StatusForbidden,
		"203.0.113.1":              http.StatusForbidden,
		"":                         http.StatusForbidden,
		"192.0.2.7, 203.0.113.1, ": http.StatusForbidden,
	} {
		got := proxied.do(ask{method: "GET", path: whoAmI, header: bearing(token, via, from)})
		if got.status != want {
			t.Errorf("from %q: %d, want %d", from, got.status, want)
		}
	}
}

// The use of a token is written once a minute, not by each request.
func TestTokenLastUsed(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	h := bearing(c.issue(store.TokenSpec{Name: "till"}))
	c.clock.Advance(time.Minute)
	c.want(http.StatusOK, ask{method: "GET", path: whoAmI, header: h}, nil)
	if used := c.lastToken().LastUsed; !used.IsZero() {
		t.Errorf("written at once: %v", used)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.server.Tidy(ctx); err != nil { // at its end it writes what it knows
		t.Fatal(err)
	}
	if info := c.lastToken(); !info.LastUsed.Equal(noon.Add(time.Minute)) || info.Name != "till" {
		t.Errorf("%+v", info)
	}
}

func TestRateLimits(t *testing.T) {
	t.Parallel()
	c := newCentre(t, func(cfg *central.Config) { cfg.RequestsPerSecond = rate.Limit(5) }) // 11 at once
	read := func(h map[string]string) reply { return c.do(ask{method: "GET", path: whoAmI, header: h}) }
	one := bearing(c.issue(store.TokenSpec{}))
	for i := range 11 {
		got := read(one)
		if left := got.header.Get("RateLimit-Remaining"); got.status != http.StatusOK || left != strconv.Itoa(10-i) {
			t.Fatalf("request %d: %d, %s left", i+1, got.status, left)
		}
	}
	got := read(one)
	if got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") != "1" || got.header.Get("RateLimit") != `"token";r=0;t=3` ||
		got.header.Get("RateLimit-Policy") != `"token";q=11;w=3` || got.header.Get("RateLimit-Limit") != "11" {
		t.Errorf("%d %v", got.status, got.header)
	}
	c.clock.Advance(200 * time.Millisecond)
	if got := read(one); got.status != http.StatusOK {
		t.Errorf("after a fifth of a second: %d", got.status)
	}
	// Another token of the organisation has its own; all of them together have 41 at once, of which 12 are spent.
	n := 0
	for ; n < 100; n++ {
		if n%10 == 0 {
			one = bearing(c.issue(store.TokenSpec{}))
		}
		if got = read(one); got.status != http.StatusOK {
			break
		}
	}
	if p := got.header.Get("RateLimit-Policy"); got.status != http.StatusTooManyRequests || n < 29 || n > 34 ||
		p != `"organization";q=41;w=3` && p != `"address";q=41;w=3` {
		t.Errorf("after %d requests %d by %s", n, got.status, p)
	}
}

func TestRateLimitOfAddressHoldsBeforeTheToken(t *testing.T) {
	t.Parallel()
	c := newCentre(t, func(cfg *central.Config) { cfg.RequestsPerSecond = rate.Limit(5) })
	for i := range 41 {
		c.want(http.StatusUnauthorized, ask{method: "GET", path: whoAmI, header: bearing("gh_" + strconv.Itoa(i))}, nil)
	}
	c.want(http.StatusTooManyRequests, ask{method: "GET", path: whoAmI, header: bearing("gh_x")}, nil)
}

// Basic passwords are guessed at no faster than others.
func TestBasicGuessesAreLimited(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	c.member("acme", "ann", store.RoleAdmin)
	const path = "/api/v2/userTokens"
	for range 10 {
		c.want(http.StatusUnauthorized, ask{method: "GET", path: path, header: basic("ann", "x")}, nil)
	}
	got := c.want(http.StatusTooManyRequests, ask{method: "GET", path: path, header: basic("ann", cheapPassword)}, nil)
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}
