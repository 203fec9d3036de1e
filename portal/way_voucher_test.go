package portal

import (
	"context"
	"net/http"
	"strings"
	"testing"

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
