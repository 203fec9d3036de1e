package central

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// outward makes every connection to what administrators of organisations name: webhooks, mail servers, SMS gateways, OpenID providers,
// ACME and DNS servers. It reaches public addresses, and these networks of the operator's.
type outward struct{ private []netip.Prefix }

// dialer looks at the address that a name was resolved to, at the moment of connecting, so that no name leads elsewhere later.
func (o outward) dialer(timeout time.Duration) *net.Dialer {
	return &net.Dialer{Timeout: timeout, ControlContext: func(ctx context.Context, _, address string, _ syscall.RawConn) error {
		plain, _ := ctx.Value(plainKey{}).(bool)
		return o.mayConnect(address, plain)
	}}
}

// encrypted dials with TLS from the start.
func (o outward) encrypted(timeout time.Duration) *tls.Dialer {
	return &tls.Dialer{NetDialer: o.dialer(timeout)}
}

// client is for settings. It uses no proxy and follows no redirects: a secret goes to whom the setting names, and to nobody else.
func (o outward) client() *http.Client {
	return &http.Client{CheckRedirect: stay, Timeout: tryTime,
		Transport: &http.Transport{DialContext: o.dialer(tryTime).DialContext, TLSHandshakeTimeout: tryTime / 2, DisableKeepAlives: true}}
}

// webhooks is a client that reaches without TLS only what the operator allows.
func (o outward) webhooks() *http.Client {
	return &http.Client{CheckRedirect: stay,
		Transport: plainAware{&http.Transport{DialContext: o.dialer(webhookTimeout).DialContext, MaxIdleConns: mostSending, MaxIdleConnsPerHost: mostToOne,
			IdleConnTimeout: 30 * time.Second, TLSHandshakeTimeout: webhookTimeout, MaxResponseHeaderBytes: mostAnswer, ForceAttemptHTTP2: true}}}
}

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

type plainKey struct{}

// plainAware tells the dialer whether a connection will have no TLS.
type plainAware struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (t plainAware) RoundTrip(r *http.Request) (*http.Response, error) {
	return t.Transport.RoundTrip(r.WithContext(context.WithValue(r.Context(), plainKey{}, r.URL.Scheme == "http")))
}

func (o outward) mayConnect(address string, plain bool) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	a := to.Addr().Unmap().WithZone("")
	for _, n := range o.private {
		if n.Contains(a) {
			return nil
		}
	}
	switch {
	case plain:
		return errors.New("only https:// is allowed")
	case !public(a):
		return errors.New("the address is not public, and not among those that the operator of the centre allows (--private-networks)")
	}
	return nil
}

// public tells whether an address is one of the internet's hosts (IANA's registries of special addresses).
func public(a netip.Addr) bool {
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, n := range []string{"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
		"203.0.113.0/24", "240.0.0.0/4", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
		"5f00::/16", "fec0::/10"} {
		if netip.MustParsePrefix(n).Contains(a) {
			return false
		}
	}
	return true
}
