package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/lab"
	"gatehouse/lab/venue"
)

// TestProfileTimes has profiles of the GATE API bound when and how long guests are online: one is told when to come, the kernel
// ends another's session, who is then told that his time is used up, and one who may is put out when his profile says so.
func TestProfileTimes(t *testing.T) {
	lab.RequireKernel(t)
	v := newVenue(t, venue.Options{Central: central(t)})
	var profile struct {
		ID int64 `json:"id"`
	}
	profiles := map[string]int64{}
	now := time.Now()
	early := now.AddDate(0, 0, 3).Weekday().String()[:2] // three days ahead, whichever time zone the machine has
	for name, check := range map[string][2]string{"later": {"Login-Time", early + "0900-1700"}, "short": {"Max-Daily-Session", "4"}, "free": {"Login-Time", "Al"}} {
		_, err := v.API(t.Context(), http.MethodPost, "/aaa_profile/", map[string]any{"name": name, "short_name": name, "reply_attribute": []any{},
			"check_attribute": []map[string]string{{"attribute": check[0], "op": ":=", "value": check[1]}}}, &profile)
		if err != nil {
			t.Fatal(err)
		}
		profiles[name] = profile.ID
		if _, err := v.API(t.Context(), http.MethodPost, "/user/", map[string]any{"username": name, "password": "a secret", "profile": []string{name}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	enter := func(name string) (*venue.Guest, string) {
		t.Helper()
		g, err := v.AddGuest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p, err := g.Password(t.Context(), name, "a secret")
		if err != nil || p.Status != http.StatusOK {
			t.Fatalf("login of %s: %d %v", name, p.Status, err)
		}
		return g, p.Body
	}
	g, page := enter("later")
	if want := "at certain times only. Next time: " + now.AddDate(0, 0, 3).Weekday().String(); !strings.Contains(page, want) || !strings.Contains(page, "9:00") {
		t.Errorf("outside of the hours, without %q:\n%s", want, page)
	}
	answered(t, g, http.StatusFound)

	short, _ := enter("short")
	answered(t, short, http.StatusNoContent)
	err := lab.WaitFor(t.Context(), 30*time.Second, func() error {
		list, err := v.Accounting(t.Context(), "?session_status=inactive")
		if err != nil || len(list) != 1 || list[0].AcctSessionTime != 4 {
			return fmt.Errorf("ended sessions: %+v, %v", list, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, page := enter("short"); !strings.Contains(page, "used up for now") { // another device of the same account
		t.Errorf("its time is used up:\n%s", page)
	}

	free, _ := enter("free")
	answered(t, free, http.StatusNoContent)
	_, err = v.API(t.Context(), http.MethodPatch, fmt.Sprintf("/aaa_profile/%d/", profiles["free"]), map[string]any{
		"check_attribute": []map[string]string{{"attribute": "Login-Time", "op": ":=", "value": early + "0900-1700"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	answered(t, free, http.StatusFound)
}
