package acme

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/libdns/libdns"
	"github.com/miekg/dns"
)

// Provider makes and deletes records of a zone.
type Provider interface {
	libdns.RecordAppender
	libdns.RecordDeleter
}

// The kinds of Provider.
const (
	RFC2136    = "rfc2136"    // dynamic update of a DNS server: BIND, Knot, PowerDNS, Windows
	Cloudflare = "cloudflare" // its API, with a token that may edit the zone's DNS
	HTTPReq    = "httpreq"    // POST of {fqdn, value} to /present and /cleanup, as lego and Traefik have it
)

// Options are how a Provider is reached.
type Options struct {
	Kind   string
	Server string // rfc2136: host or host:port; httpreq: URL
	// User is the name of the TSIG key, or that for HTTP; may be empty where no Secret is wanted.
	User   string
	Secret string // the TSIG key in base64, the token, the password
	HTTP   *http.Client
	Dialer *net.Dialer
}

// NewProvider makes a Provider of a kind; the error says what is wrong with the options.
func NewProvider(o Options) (Provider, error) {
	switch o.Kind {
	case RFC2136:
		server := o.Server
		if _, _, err := net.SplitHostPort(server); err != nil {
			server = net.JoinHostPort(strings.Trim(server, "[]"), "53")
		}
		return &dynamicUpdate{server: server, key: dns.Fqdn(strings.ToLower(o.User)), secret: o.Secret, dialer: o.Dialer}, nil
	case Cloudflare:
		return &cloudflare{base: "https://api.cloudflare.com/client/v4", token: o.Secret, client: o.HTTP}, nil
	case HTTPReq:
		u, err := url.Parse(o.Server)
		if err != nil {
			return nil, fmt.Errorf("reading URL: %w", err)
		}
		return &httpReq{base: u, user: o.User, password: o.Secret, client: o.HTTP}, nil
	}
	return nil, fmt.Errorf("there is no DNS provider %q", o.Kind)
}

// dynamicUpdate is RFC 2136, signed as RFC 8945 has it where there is a key.
type dynamicUpdate struct {
	server, key, secret string
	dialer              *net.Dialer
}

// AppendRecords implements libdns.RecordAppender.
func (d *dynamicUpdate) AppendRecords(ctx context.Context, zone string, list []libdns.Record) ([]libdns.Record, error) {
	return list, d.update(ctx, zone, list, (*dns.Msg).Insert)
}

// DeleteRecords implements libdns.RecordDeleter.
func (d *dynamicUpdate) DeleteRecords(ctx context.Context, zone string, list []libdns.Record) ([]libdns.Record, error) {
	return list, d.update(ctx, zone, list, (*dns.Msg).Remove)
}

func (d *dynamicUpdate) update(ctx context.Context, zone string, list []libdns.Record, apply func(*dns.Msg, []dns.RR)) error {
	m := new(dns.Msg)
	m.SetUpdate(dns.Fqdn(zone))
	for _, record := range list {
		rr := record.RR()
		apply(m, []dns.RR{&dns.TXT{Txt: []string{rr.Data}, Hdr: dns.RR_Header{Name: libdns.AbsoluteName(rr.Name, dns.Fqdn(zone)),
			Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: uint32(rr.TTL.Seconds())}}})
	}
	client := dns.Client{Net: "tcp", Dialer: d.dialer}
	if d.secret != "" {
		client.TsigSecret = map[string]string{d.key: d.secret}
		m.SetTsig(d.key, dns.HmacSHA256, 300, 0)
	}
	answer, _, err := client.ExchangeContext(ctx, m, d.server)
	if err != nil {
		return fmt.Errorf("updating zone %s: %w", zone, err)
	}
	if answer.Rcode != dns.RcodeSuccess {
		return fmt.Errorf("updating zone %s: %s answered %s", zone, d.server, dns.RcodeToString[answer.Rcode])
	}
	return nil
}

// cloudflare is the API of Cloudflare, version 4.
type cloudflare struct {
	base, token string
	client      *http.Client
}

// kept is a record with its id at the provider.
type kept struct {
	record   libdns.RR
	zone, id string
}

// RR implements libdns.Record.
func (k kept) RR() libdns.RR { return k.record }

// AppendRecords implements libdns.RecordAppender.
func (c *cloudflare) AppendRecords(ctx context.Context, zone string, list []libdns.Record) (made []libdns.Record, err error) {
	var zones []struct{ ID string }
	err = c.call(ctx, http.MethodGet, "/zones?"+url.Values{"name": {strings.TrimSuffix(zone, ".")}}.Encode(), nil, &zones)
	if err != nil {
		return nil, err
	}
	if len(zones) != 1 {
		return nil, fmt.Errorf("the token sees no zone %s", zone)
	}
	for _, record := range list {
		rr := record.RR()
		k := kept{record: rr, zone: zones[0].ID}
		body := map[string]any{"type": rr.Type, "name": strings.TrimSuffix(libdns.AbsoluteName(rr.Name, zone), "."), "content": `"` + rr.Data + `"`,
			"ttl": int(rr.TTL.Seconds())}
		var got struct{ ID string }
		if err := c.call(ctx, http.MethodPost, "/zones/"+k.zone+"/dns_records", body, &got); err != nil {
			return made, err
		}
		k.id = got.ID
		made = append(made, k)
	}
	return made, nil
}

// DeleteRecords implements libdns.RecordDeleter, for records that AppendRecords made.
func (c *cloudflare) DeleteRecords(ctx context.Context, _ string, list []libdns.Record) ([]libdns.Record, error) {
	for _, record := range list {
		k, ok := record.(kept)
		if !ok {
			return nil, errors.New("the record is not one of ours")
		}
		if err := c.call(ctx, http.MethodDelete, "/zones/"+k.zone+"/dns_records/"+k.id, nil, nil); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (c *cloudflare) call(ctx context.Context, method, path string, body, into any) error {
	var answer struct {
		Success bool
		Errors  []struct{ Message string }
		Result  json.RawMessage
	}
	status, text, err := send(ctx, c.client, method, c.base+path, body, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+c.token) })
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &answer); err != nil || !answer.Success {
		if len(answer.Errors) > 0 {
			return fmt.Errorf("its API answered %s: %s", status, answer.Errors[0].Message)
		}
		return fmt.Errorf("its API answered %s", status)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer.Result, into)
}

// httpReq hands every record to a server of somebody's own.
type httpReq struct {
	base           *url.URL
	user, password string
	client         *http.Client
}

// AppendRecords implements libdns.RecordAppender.
func (h *httpReq) AppendRecords(ctx context.Context, zone string, list []libdns.Record) ([]libdns.Record, error) {
	return list, h.each(ctx, "present", zone, list)
}

// DeleteRecords implements libdns.RecordDeleter.
func (h *httpReq) DeleteRecords(ctx context.Context, zone string, list []libdns.Record) ([]libdns.Record, error) {
	return list, h.each(ctx, "cleanup", zone, list)
}

func (h *httpReq) each(ctx context.Context, verb, zone string, list []libdns.Record) error {
	for _, record := range list {
		rr := record.RR()
		body := map[string]string{"fqdn": dns.Fqdn(libdns.AbsoluteName(rr.Name, zone)), "value": rr.Data}
		status, text, err := send(ctx, h.client, http.MethodPost, h.base.JoinPath(verb).String(), body, func(r *http.Request) {
			if h.password != "" {
				r.SetBasicAuth(h.user, h.password)
			}
		})
		if err != nil {
			return err
		}
		if !strings.HasPrefix(status, "2") {
			return fmt.Errorf("%s answered %s: %.500s", h.base.Host, status, strings.ToValidUTF8(string(text), "?"))
		}
	}
	return nil
}

// send makes one request; a body goes as JSON.
func send(ctx context.Context, client *http.Client, method, to string, body any, change func(*http.Request)) (status string, text []byte, err error) {
	var sent io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return "", nil, err
		}
		sent = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, to, sent)
	if err != nil {
		return "", nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	change(req)
	resp, err := client.Do(req)
	if err != nil {
		return "", nil, err
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.Status, text, err
}
