package portal

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/sessions"
)

// voucherBench is a portal over plain HTTP whose zone takes vouchers and nothing else.
func voucherBench(t *testing.T) (b *bench, got *[]sessions.LoginRequest, say func(error)) {
	b = start(t, nil)
	b.manager.zone.Methods, b.manager.zone.AllowCleartext = []sessions.Method{sessions.MethodVoucher}, false
	var requests []sessions.LoginRequest
	var answer error
	b.manager.login = func(_ context.Context, req sessions.LoginRequest) (sessions.Session, error) {
		requests = append(requests, req)
		return sessions.Session{}, answer
	}
	return b, &requests, func(err error) { answer = err }
}

func TestVoucher(t *testing.T) {
	b, got, say := voucherBench(t)
	token, code := b.token(), sessions.NewVoucherCode()
	post := func(typed string) answered {
		return b.post("/login", "", values("method", "voucher", "token", token, "code", typed))
	}
	one := byte('2')
	if code[0] == one {
		one = '3'
	}
	for _, mistyped := range []string{"", "hello", string(code[:11]), string(one) + string(code[1:]), strings.Repeat("2", 300), "<b>\"" + string(code)} {
		a := post(mistyped)
		if a.status != http.StatusOK || !strings.Contains(a.body, "A character of this code is missing or mistyped") || !strings.Contains(a.body, `aria-invalid="true"`) {
			t.Errorf("%.20q: %d %s", mistyped, a.status, a.body)
		}
		if strings.Contains(a.body, "<b>") {
			t.Error("what was typed got out of its field")
		}
	}
	if len(*got) != 0 {
		t.Errorf("mistyped codes were asked for: %+v", *got)
	}
	for reason, words := range map[sessions.Reason]string{
		sessions.RefusedCode: "There is no voucher with this code", sessions.RefusedNothingLeft: "This voucher is used up",
		sessions.RefusedExpired: "This voucher has expired", sessions.RefusedInactive: "This voucher has been cancelled",
		sessions.RefusedElsewhere: "This voucher is not for this network", sessions.RefusedTooMany: "This voucher is already in use",
		sessions.RefusedTooOften: "Too many attempts",
	} {
		say(&sessions.Refusal{Reason: reason})
		if a := post(code.Text()); a.status != http.StatusOK || !strings.Contains(a.body, words) || !strings.Contains(a.body, `value="`+code.Text()+`"`) {
			t.Errorf("%s: %d %s", reason, a.status, a.body)
		}
	}
	say(nil)
	*got = nil
	a := post(" " + strings.ToLower(code.Text()) + " ")
	if a.status != http.StatusSeeOther || a.header.Get("Location") != "/status" || len(*got) != 1 || (*got)[0].Code != sessions.Password(code) {
		t.Errorf("a good code: %d to %q, %d requests", a.status, a.header.Get("Location"), len(*got))
	}
	b.stop()
	if strings.Contains(b.log.String(), string(code)) || strings.Contains(b.log.String(), code.Text()) {
		t.Error("the log has a code")
	}
}

// A link with a code fills in the form and does nothing else, however often and by whomever it is fetched: previewers and
// scanners fetch links too. What it leaves in a browser is of no use elsewhere or later.
func TestVoucherLink(t *testing.T) {
	b, got, _ := voucherBench(t)
	b.manager.zone.Methods = append(b.manager.zone.Methods, sessions.MethodClick)
	code := sessions.NewVoucherCode()
	link := "/v/" + strings.ToLower(string(code))
	follow := func(request string) (page answered, location string) {
		t.Helper()
		a := b.raw(request)
		location = strings.TrimPrefix(a.header.Get("Location"), "http://"+b.addr)
		if a.status != http.StatusFound && a.status != http.StatusSeeOther || strings.Contains(strings.ToUpper(location+a.body), string(code)) || a.header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%.40q: %d to %q: %s", request, a.status, location, a.body)
		}
		return b.get(location), location
	}
	filled := `value="` + code.Text() + `"`
	for _, host := range []string{"192.0.2.1", "wifi.example", b.addr} {
		for range 2 {
			page, location := follow("GET " + link + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n")
			if page.status != http.StatusOK || !strings.Contains(page.body, filled) || strings.Contains(page.body, "terms of use") {
				t.Errorf("%s: %d %s", host, page.status, page.body)
			}
			if h := page.header; h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "same-origin" {
				t.Errorf("header %v", h)
			}
			for _, damaged := range []string{location[:len(location)-4] + "AAAA", "/?v=AAAA", "/?v="} {
				if a := b.get(damaged); a.status != http.StatusOK || strings.Contains(a.body, code.Text()) {
					t.Errorf("%s: %d", damaged, a.status)
				}
			}
		}
	}
	_, location := follow("HEAD " + link + " HTTP/1.1\r\nHost: 192.0.2.1\r\nConnection: close\r\n\r\n")
	if len(*got) != 0 {
		t.Errorf("links were redeemed: %+v", *got)
	}
	token := b.token()
	if a := b.post(link, "", values("method", "voucher", "token", token)); a.status != http.StatusMethodNotAllowed || len(*got) != 0 {
		t.Errorf("POST to a link: %d", a.status)
	}

	hidden := strings.TrimPrefix(location, "/?v=")
	if p, other := b.portal, (sessions.Station{Zone: phone.Zone, MAC: sessions.MAC{2}}); p.links.code(hidden, phone, b.clock.Mono()) != string(code) ||
		p.links.code(hidden, other, b.clock.Mono()) != "" {
		t.Error("what a station was led to is good for another one, or not even for itself")
	}
	b.clock.Advance(linkLife + 2*time.Second)
	if a := b.get(location); strings.Contains(a.body, code.Text()) {
		t.Error("what stayed in the history still tells the code")
	}

	b.manager.set(&sessions.Session{StartedAt: sessions.Stamp{BootID: "boot", Mono: b.clock.Mono()}})
	for _, host := range []string{"192.0.2.1", b.addr} {
		if page, _ := follow("GET " + link + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n"); page.header.Get("Location") != "/status" {
			t.Errorf("who is online already: %d", page.status)
		}
	}
	b.manager.set(nil)
	for _, other := range []string{"/v/", "/v/hello", "/v/" + string(code[:11]), "/v/" + string(code) + "/x", "/vouchers/" + string(code)} {
		a := b.raw("GET " + other + " HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n")
		if !strings.Contains(a.header.Get("Location"), "/?u=http%3A%2F%2Fexample.com") {
			t.Errorf("%s leads to %q", other, a.header.Get("Location"))
		}
	}
	b.manager.zone.Methods = []sessions.Method{sessions.MethodClick}
	if page, _ := follow("GET " + link + " HTTP/1.1\r\nHost: 192.0.2.1\r\nConnection: close\r\n\r\n"); strings.Contains(page.body, code.Text()) || !strings.Contains(page.body, "terms of use") {
		t.Error("a zone without vouchers shows one")
	}
}
