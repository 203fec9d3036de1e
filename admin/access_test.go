package admin

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/sessions"
)

var chair = sessions.AccessRule{Kind: sessions.AccessBlocked, MAC: bob.MAC, By: sessions.ByOperator, Note: "a chair",
	MadeAt: sessions.Stamp{Wall: noon}, For: 90 * time.Second}

func (g *gateway) Access() []sessions.AccessRule { return slices.Clone(g.rules) }

func (g *gateway) AccessLeft(r sessions.AccessRule) (time.Duration, bool) { return r.For, r.For > 0 }

func (g *gateway) SetAccess(_ context.Context, r sessions.AccessRule) error {
	switch r.Note {
	case "full":
		return sessions.ErrTooManyRules
	case "bad":
		return sessions.ErrBadRule
	}
	r.By, r.MadeAt = sessions.ByOperator, sessions.Stamp{Wall: noon}
	g.rules = append(g.rules, r)
	return nil
}

func (g *gateway) RemoveAccess(_ context.Context, zone string, mac sessions.MAC, kinds ...sessions.AccessKind) (removed []sessions.AccessRule, err error) {
	err = sessions.ErrNoRule
	g.rules = slices.DeleteFunc(g.rules, func(r sessions.AccessRule) bool {
		if r.MAC != mac || !slices.Contains(kinds, r.Kind) || zone != "" && zone != r.Zone {
			return false
		}
		if r.By == sessions.ByConfiguration {
			err = sessions.ErrConfigured
			return false
		}
		removed = append(removed, r)
		return true
	})
	if len(removed) > 0 {
		err = nil
	}
	return removed, err
}

func TestAccess(t *testing.T) {
	path, g, _ := serve(t)
	g.rules = []sessions.AccessRule{{Kind: sessions.AccessBlocked, Zone: "guest", MAC: alice.MAC, By: sessions.ByConfiguration}}
	c := NewClient(path)
	hour := int64(3600)
	for _, tt := range []struct {
		in   SetAccessRequest
		want AccessRule
	}{
		{SetAccessRequest{Kind: sessions.AccessBlocked, Station: "02-00-5E-10-00-01", Seconds: hour, Note: "a chair"},
			AccessRule{Kind: sessions.AccessBlocked, MAC: alice.MAC, Note: "a chair", By: sessions.ByOperator, MadeAt: noon, SecondsLeft: &hour}},
		{SetAccessRequest{Kind: sessions.AccessBlocked, Station: bob.String()},
			AccessRule{Kind: sessions.AccessBlocked, Zone: "guest", MAC: bob.MAC, By: sessions.ByOperator, MadeAt: noon}},
		{SetAccessRequest{Kind: sessions.AccessTrusted, Station: bob.MAC.String()}, // trust needs a zone, and there is only one
			AccessRule{Kind: sessions.AccessTrusted, Zone: "guest", MAC: bob.MAC, By: sessions.ByOperator, MadeAt: noon}},
		{SetAccessRequest{Kind: sessions.AccessPreauthorized, Station: bob.MAC.String(), Account: "anna"},
			AccessRule{Kind: sessions.AccessPreauthorized, Zone: "guest", MAC: bob.MAC, Account: "anna", By: sessions.ByOperator, MadeAt: noon}},
	} {
		got, err := c.SetAccess(t.Context(), tt.in)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", tt.in, diff)
		}
	}
	for want, in := range map[string]SetAccessRequest{
		CodeInvalid + " MAC":                          {Kind: sessions.AccessBlocked, Station: "guest"},
		CodeInvalid + " note":                         {Kind: sessions.AccessBlocked, Station: bob.String(), Note: strings.Repeat("x", 201)},
		CodeInvalid + " account":                      {Kind: sessions.AccessPreauthorized, Station: bob.String(), Account: " "},
		CodeInvalid + " time":                         {Kind: sessions.AccessBlocked, Station: bob.String(), Seconds: -1},
		CodeInvalid + " rule":                         {Kind: sessions.AccessBlocked, Station: bob.String(), Note: "bad"},
		CodeTooMany + " rules":                        {Kind: sessions.AccessBlocked, Station: bob.String(), Note: "full"},
		string(sessions.RefusedUnknownZone) + " zone": {Kind: sessions.AccessTrusted, Station: "attic/" + bob.MAC.String()},
	} {
		if _, err := c.SetAccess(t.Context(), in); code(err) != strings.Fields(want)[0] {
			t.Errorf("%s: %v", want, err)
		}
	}
	all, err := c.Access(t.Context())
	if err != nil || len(all) != 5 {
		t.Errorf("rules: %+v, %v", all, err)
	}
	kinds := []sessions.AccessKind{sessions.AccessBlocked}
	done, err := c.RemoveAccess(t.Context(), RemoveAccessRequest{Station: alice.MAC.String(), Kinds: kinds})
	if err != nil || len(done.Removed) != 1 || len(done.Remaining) != 1 || done.Remaining[0].By != sessions.ByConfiguration {
		t.Errorf("taken back: %+v, %v", done, err)
	}
	if _, err := c.RemoveAccess(t.Context(), RemoveAccessRequest{Station: alice.MAC.String(), Kinds: kinds}); code(err) != CodeConfigured {
		t.Errorf("taking back the configuration's: %v", err)
	}
	if _, err := c.RemoveAccess(t.Context(), RemoveAccessRequest{Station: "attic/" + bob.MAC.String(), Kinds: kinds}); code(err) != string(sessions.RefusedUnknownZone) {
		t.Errorf("taking back in no zone: %v", err)
	}
	if _, err := c.RemoveAccess(t.Context(), RemoveAccessRequest{Station: "guest/02005e1000ff", Kinds: kinds}); code(err) != CodeNotFound {
		t.Errorf("taking back nothing: %v", err)
	}
}
