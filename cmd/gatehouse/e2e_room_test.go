package main

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/lab/browser"
)

// TestRooms: a hotel's list lets its guests in, by clicks in two languages, and whoever is on the next one no more is out.
func TestRooms(t *testing.T) {
	s := newSite(t)
	s.write(t, "gatehouse.toml", strings.Replace(s.settings("allow_cleartext = true"), `["click"]`, `["room"]`, 1))
	p := s.start(t)
	list := func(text string) string {
		t.Helper()
		out, err := s.cli(t, "room", "import", s.write(t, "list.csv", text))
		if err != nil {
			t.Fatalf("%v\n%s", err, p.Log())
		}
		return out
	}
	list("room,name,until,devices\n214,\"Müller, Anna\",2099-01-01,1\n12,Haddad,2099-01-01,\n")
	if out, err := s.cli(t, "room", "import", s.write(t, "bad.csv", "room,name,until\n9,Lee,soon\n")); err == nil || !strings.Contains(out, "line 2: until is no date") {
		t.Errorf("a list with a fault: %v %s", err, out)
	}
	browser.Require(t)
	const enter = "#name ~ button"
	g, other := s.guest(t), s.guest(t)
	b := browser.Open(t, browser.Options{Host: g.Host})
	b.Go(probe)
	b.Fill("#room", "214")
	b.Fill("#name", "Mueler")
	b.WantLight(maxPage)
	b.Click(enter)
	b.WantText("#problem", "room and name")
	b.Check("room-wrong")
	b.Fill("#name", "Anna Mueller") // the room is still there
	b.Click(enter)
	b.See(logOut)
	answered(t, g, http.StatusNoContent)

	b = browser.Open(t, browser.Options{Host: other.Host, NoScript: true, Language: "ar"})
	b.Go(probe)
	b.Check("room-ar")
	b.Fill("#room", "٠١٢")
	b.Fill("#name", "HADDAD")
	b.Click(enter)
	b.See(logOut)
	answered(t, other, http.StatusNoContent)

	p.Kill()
	p = s.start(t)
	out, err := s.cli(t, "room", "list")
	if err != nil || strings.Count(out, "  1\n") != 2 || strings.Contains(strings.ToLower(out), "haddad") {
		t.Errorf("room list: %v\n%s", err, out)
	}
	if out := list("room,name,until,devices\n12,Haddad,2099-02-01,\n"); !strings.HasPrefix(out, "1 guests are on the list; 2 of the one before") {
		t.Errorf("the next list: %s", out)
	}
	answered(t, g, http.StatusFound)
	answered(t, other, http.StatusNoContent)
	if log := p.Log(); strings.Contains(log, "Haddad") || strings.Contains(log, "214") {
		t.Errorf("the log tells who stays where:\n%s", log)
	}
	if err := p.Terminate(); err != nil {
		t.Errorf("stopping: %v\n%s", err, p.Log())
	}
}
