package portal

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"gatehouse/sessions"
)

func TestToken(t *testing.T) {
	b := start(t, nil)
	b.manager.zone.Methods = []sessions.Method{sessions.MethodToken}
	var got sessions.LoginRequest
	var answer error = &sessions.Refusal{Reason: sessions.RefusedCredentials}
	b.manager.login = func(_ context.Context, req sessions.LoginRequest) (sessions.Session, error) {
		got = req
		return sessions.Session{}, answer
	}
	form := values("method", "token", "token", b.token(), "usercode", " AbCd1234 ", "passcode", strings.Repeat("x", 44)+"\n")
	a := b.post("/login", "", form)
	if a.status != http.StatusOK || !strings.Contains(a.body, "User code or pass code is not right") || !strings.Contains(a.body, `value="AbCd1234"`) || strings.Contains(a.body, "xxxx") {
		t.Errorf("refused: %d %s", a.status, a.body)
	}
	answer = nil
	a = b.post("/login", "", form)
	want := sessions.Credentials{Username: "AbCd1234", Password: sessions.Password(strings.Repeat("x", 44))}
	if a.status != http.StatusSeeOther || got.Method != sessions.MethodToken || got.Credentials != want {
		t.Errorf("%d, asked for %s %q", a.status, got.Method, got.Credentials.Username)
	}
	form.Set("passcode", " ")
	if a = b.post("/login", "", form); !strings.Contains(a.body, "User code or pass code is not right") {
		t.Errorf("without a pass code: %d", a.status)
	}
	b.manager.zone.AllowCleartext = false
	if a = b.get("/"); strings.Contains(a.body, "usercode") || !strings.Contains(a.body, "not encrypted") {
		t.Errorf("over plain HTTP: %s", a.body)
	}
}
