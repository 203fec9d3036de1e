package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"gatehouse/admin"
	"gatehouse/lab"
	"gatehouse/lab/browser"
)

// TestVouchers: a gateway without a centre makes vouchers, lets guests in by them, once per device of the plan and also by a
// link, tells how they stand, and cuts off whose voucher is revoked.
func TestVouchers(t *testing.T) {
	s := newSite(t)
	s.write(t, "gatehouse.toml", strings.Replace(s.settings(""), `["click"]`, `["voucher"]`, 1))
	p := s.start(t)
	run := func(args ...string) string {
		t.Helper()
		out, err := s.cli(t, args...)
		if err != nil {
			t.Fatalf("%v\n%s", err, p.Log())
		}
		return out
	}
	var batch admin.VoucherBatch
	if err := json.Unmarshal([]byte(run("voucher", "create", "--count", "3", "--time", "2h", "--devices", "1", "--note", "front desk", "--json")), &batch); err != nil || len(batch.Codes) != 3 {
		t.Fatalf("voucher create: %v %+v", err, batch)
	}
	g, other := s.guest(t), s.guest(t)
	enter := func(t *testing.T, page string, submit func() (int, error)) {
		t.Helper()
		if status, err := submit(); err != nil || status != http.StatusOK {
			t.Fatalf("%s: %d %v\n%s", page, status, err, p.Log())
		}
	}
	sheet, err := g.Sheet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	enter(t, "login", func() (int, error) {
		at, err := g.Submit(t.Context(), sheet, "voucher", url.Values{"code": {strings.ToLower(batch.Codes[0].Code)}})
		return at.Status, err
	})
	answered(t, g, http.StatusNoContent)

	link := "http://198.51.100.77/v/" + strings.ReplaceAll(batch.Codes[0].Code, "-", "")
	at, err := other.Get(t.Context(), link) // a scanner that only looks
	if err != nil || at.Status != http.StatusFound {
		t.Fatalf("the link: %d %v", at.Status, err)
	}
	for range 2 {
		if at, err = other.Follow(t.Context(), at); err != nil || !strings.Contains(at.Body, `value="`+batch.Codes[0].Code+`"`) {
			t.Fatalf("the page behind the link: %d %v %s", at.Status, err, at.Body)
		}
		replay, err := other.Submit(t.Context(), at, "voucher", nil)
		if err != nil || !strings.Contains(replay.Body, "as many devices as it allows") {
			t.Errorf("a link that another has used: %d %v", replay.Status, err)
		}
		answered(t, other, http.StatusFound)
		if at, err = other.Get(t.Context(), link); err != nil {
			t.Fatal(err)
		}
	}
	p.Kill()
	p = s.start(t)
	if out := run("voucher", "list"); !strings.Contains(out, "2h online, 1 at once") || !strings.Contains(out, "front desk") {
		t.Errorf("voucher list:\n%s", out)
	}
	if out := run("voucher", "list", "1"); strings.Count(out, "  active  ") != 1 || strings.Count(out, "  unused  ") != 2 || strings.Contains(out, batch.Codes[0].Code) {
		t.Errorf("voucher list 1:\n%s", out)
	}
	if out := run("voucher", "revoke", batch.Codes[0].Code); out != "1 vouchers revoked\n" {
		t.Errorf("voucher revoke: %s", out)
	}
	answered(t, g, http.StatusFound)
	if out := run("voucher", "export"); strings.Count(out, ",revoked,") != 1 || strings.Count(out, "\n") != 4 {
		t.Errorf("voucher export:\n%s", out)
	}
	if out := run("voucher", "create", "--count", "2", "--sheet", "--title", "<Seeblick>"); strings.Count(out, "<section>") != 2 || !strings.Contains(out, "&lt;Seeblick&gt;") {
		t.Errorf("the sheet:\n%s", out)
	}
	if strings.Contains(p.Log(), batch.Codes[0].Code) {
		t.Error("the log has a code")
	}
	t.Run("browser", func(t *testing.T) { s.voucherJourneys(t, batch.Codes[1:]) })
	if err := p.Terminate(); err != nil {
		t.Errorf("stopping: %v\n%s", err, p.Log())
	}
}

// voucherJourneys go by clicks: typed with a mistake and then right, and by the link of a QR code.
func (s *site) voucherJourneys(t *testing.T, codes []admin.VoucherSlip) {
	browser.Require(t)
	const enter = "#voucher ~ button"
	b := browser.Open(t, browser.Options{Host: s.guest(t).Host})
	b.Go(probe)
	b.See(enter)
	b.WantLight(maxPage)
	b.Check("voucher")
	code := codes[0].Code
	b.Fill("#voucher", code[:13])
	b.Click(enter)
	b.WantText("#problem", "mistyped")
	b.Check("voucher-mistyped")
	b.Fill("#voucher", strings.ToLower(code))
	b.Click(enter)
	b.See(logOut)

	b = browser.Open(t, browser.Options{Host: s.guest(t).Host, NoScript: true, Dark: true, Language: "ar"})
	b.Go("http://198.51.100.77/v/" + codes[1].Code)
	b.See(enter)
	b.WantLight(maxPage)
	b.Check("voucher-link-ar")
	b.Click(enter)
	b.See(logOut)
	b.WantPath("/status")
	b.Go("http://" + lab.WebAddr4 + "/echo")
	b.WantText("body", lab.GatewayWAN4)
}
