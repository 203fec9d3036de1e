package admin

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"gatehouse/sessions"
)

func (g *gateway) Pause(_ context.Context, st sessions.Station) (sessions.Session, error) {
	s := g.running[st]
	delete(g.running, st)
	return s, nil
}

func (g *gateway) Resume(_ context.Context, st sessions.Station, addr netip.Addr) (sessions.Session, error) {
	if st != alice {
		return sessions.Session{}, &sessions.Refusal{Reason: sessions.RefusedNotPaused}
	}
	return sessions.Session{AcctSessionID: "s-2", Station: st, Addr: addr}, nil
}

func TestPause(t *testing.T) {
	path, _, _ := serve(t)
	client := NewClient(path)
	for _, v := range []struct {
		req        PauseRequest
		want, code string
	}{
		{PauseRequest{Which: "s-1"}, "s-1", ""},
		{PauseRequest{Which: "s-1"}, "", CodeNotFound},
		{PauseRequest{Which: "guest/02:00:5e:10:00:01", Resume: true}, "s-2", ""},
		{PauseRequest{Which: "guest/02:00:5e:10:00:02", Resume: true}, "", string(sessions.RefusedNotPaused)},
		{PauseRequest{Which: "nobody", Resume: true}, "", CodeInvalid},
	} {
		got, err := client.Pause(t.Context(), v.req)
		var e *Error
		if errors.As(err, &e); got.AcctSessionID != v.want || (e == nil) != (v.code == "") || e != nil && e.Code != v.code {
			t.Errorf("%+v: %q, %v", v.req, got.AcctSessionID, err)
		}
	}
}
