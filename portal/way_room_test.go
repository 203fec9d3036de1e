package portal

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"gatehouse/sessions"
)

func TestRoom(t *testing.T) {
	b := start(t, nil)
	b.manager.zone.Methods = []sessions.Method{sessions.MethodRoom}
	var got []sessions.LoginRequest
	var answer error = &sessions.Refusal{Reason: sessions.RefusedCredentials}
	b.manager.login = func(_ context.Context, req sessions.LoginRequest) (sessions.Session, error) {
		got = append(got, req)
		return sessions.Session{}, answer
	}
	token := b.token()
	post := func(room, name string) answered {
		return b.post("/login", "", values("method", "room", "token", token, "room", room, "name", name))
	}
	for _, c := range [][2]string{{"", "Lee"}, {"214", " "}, {"214", "--"}, {strings.Repeat("2", 65), "Lee"}, {"214", strings.Repeat("é", 200)}} {
		if a := post(c[0], c[1]); a.status != http.StatusOK || !strings.Contains(a.body, "We do not find this room and name") || len(got) != 0 {
			t.Errorf("%.20q: %d %s", c, a.status, a.body)
		}
	}
	wrong := post("214", `<b>Müller"`)
	if wrong.status != http.StatusOK || !strings.Contains(wrong.body, "We do not find this room and name") || !strings.Contains(wrong.body, `value="&lt;b&gt;Müller&#34;"`) {
		t.Errorf("wrong: %d %s", wrong.status, wrong.body)
	}
	answer = nil
	a := post(" 214 ", "Müller")
	if last := got[len(got)-1]; a.status != http.StatusSeeOther || last.Room != "214" || last.GuestName != "Müller" || last.Credentials.Username != "" {
		t.Errorf("%d, asked for %+v", a.status, last)
	}
	b.manager.zone.AllowCleartext = false
	if a := b.get("/"); strings.Contains(a.body, `name="room"`) || !strings.Contains(a.body, "not encrypted") {
		t.Errorf("over plain HTTP: %s", a.body)
	}
	b.stop()
	if strings.Contains(b.log.String(), "Müller") {
		t.Error("the log has a guest's name")
	}
}
