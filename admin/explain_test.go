package admin

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/sessions"
)

var aliceVisit = sessions.Visit{Code: "K7M2P", Station: alice, Events: []sessions.Event{{
	Kind: sessions.EventRefused, What: "password", Why: "wrong_credentials", Times: 2}}}

func (g *gateway) Find(_ context.Context, code string) (sessions.Visit, error) {
	if code == "K7M2P" {
		return aliceVisit, nil
	}
	return sessions.Visit{}, sessions.ErrNoVisit
}

func (g *gateway) Of(_ context.Context, st sessions.Station) (sessions.Visit, error) {
	if st == alice {
		return aliceVisit, nil
	}
	return sessions.Visit{}, sessions.ErrNoVisit
}

func TestExplain(t *testing.T) {
	path, _, _ := serve(t)
	client := NewClient(path)
	for _, which := range []string{"K7M2P", "guest/02:00:5e:10:00:01", "02005e100001"} {
		got, err := client.Explain(t.Context(), ExplainRequest{Which: which})
		if err != nil || cmp.Diff(aliceVisit, got) != "" {
			t.Errorf("%s: %v %s", which, err, cmp.Diff(aliceVisit, got))
		}
	}
	for _, which := range []string{"22222", "guest/02:00:5e:10:00:02", ""} {
		_, err := client.Explain(t.Context(), ExplainRequest{Which: which})
		var e *Error
		if !errors.As(err, &e) || e.Code != CodeNotFound {
			t.Errorf("%q: %v", which, err)
		}
	}
}
