package acme

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/libdns/libdns"
)

// recorder is a server that writes down what it is asked.
func recorder(t *testing.T, answer func(r *http.Request) (int, string)) (url string, got func() []string) {
	t.Helper()
	var asked []string
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = append(asked, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", r.Method, r.URL, r.Header.Get("Authorization"), body)))
		status, text := answer(r)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(web.Close)
	return web.URL, func() []string { return asked }
}

func record() []libdns.Record {
	return []libdns.Record{libdns.RR{Type: "TXT", Name: "_acme-challenge.lobby-7", Data: "digest", TTL: time.Minute}}
}

func TestCloudflare(t *testing.T) {
	known := true
	base, got := recorder(t, func(r *http.Request) (int, string) {
		switch {
		case r.Method == http.MethodGet && known:
			return 200, `{"success":true,"errors":[],"result":[{"id":"z1","name":"wifi.hotel.test"}]}`
		case r.Method == http.MethodGet:
			return 200, `{"success":true,"errors":[],"result":[]}`
		case r.Method == http.MethodPost:
			return 200, `{"success":true,"errors":[],"result":{"id":"r1"}}`
		}
		return 403, `{"success":false,"errors":[{"code":10000,"message":"Authentication error"}],"result":null}`
	})
	c := &cloudflare{base: base, token: "tok", client: http.DefaultClient}
	made, err := c.AppendRecords(t.Context(), "wifi.hotel.test.", record())
	if err != nil || len(made) != 1 || made[0].RR().Data != "digest" {
		t.Fatalf("%v, %v", made, err)
	}
	if _, err := c.DeleteRecords(t.Context(), "wifi.hotel.test.", made); err == nil || !strings.Contains(err.Error(), "403 Forbidden: Authentication error") {
		t.Error(err)
	}
	known = false
	if _, err := c.AppendRecords(t.Context(), "wifi.hotel.test.", record()); err == nil || !strings.Contains(err.Error(), "no zone wifi.hotel.test") {
		t.Error(err)
	}
	want := []string{
		"GET /zones?name=wifi.hotel.test Bearer tok",
		`POST /zones/z1/dns_records Bearer tok {"content":"\"digest\"","name":"_acme-challenge.lobby-7.wifi.hotel.test","ttl":60,"type":"TXT"}`,
		"DELETE /zones/z1/dns_records/r1 Bearer tok",
		"GET /zones?name=wifi.hotel.test Bearer tok",
	}
	if diff := cmp.Diff(want, got()); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func TestHTTPReq(t *testing.T) {
	base, got := recorder(t, func(r *http.Request) (int, string) {
		if strings.HasSuffix(r.URL.Path, "/cleanup") {
			return 500, "no such record"
		}
		return 204, ""
	})
	p, err := NewProvider(Options{Kind: HTTPReq, Server: base + "/dns/", User: "u", Secret: "p", HTTP: http.DefaultClient})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.AppendRecords(t.Context(), "wifi.hotel.test.", record()); err != nil {
		t.Error(err)
	}
	if _, err := p.DeleteRecords(t.Context(), "wifi.hotel.test.", record()); err == nil || !strings.Contains(err.Error(), "no such record") {
		t.Error(err)
	}
	body, _ := json.Marshal(map[string]string{"fqdn": "_acme-challenge.lobby-7.wifi.hotel.test.", "value": "digest"})
	want := []string{"POST /dns/present Basic dTpw " + string(body), "POST /dns/cleanup Basic dTpw " + string(body)}
	if diff := cmp.Diff(want, got()); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}
