package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/admin"
	"gatehouse/lab"
	"gatehouse/lab/browser"
)

// TestVouchers: a gateway without a centre makes vouchers, lets guests in by them, once per device of the plan and also by a
// link, tells how they stand, and cuts off whose voucher is revoked.
func TestVouchers(t *testing.T) {
	t.Parallel()
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
	paper := run("voucher", "create", "--count", "20", "--devices", "1", "--time", "2h", "--sheet", "--title", "<Seeblick>")
	if strings.Count(paper, "<section>") != 20 || !strings.Contains(paper, "&lt;Seeblick&gt;") {
		t.Errorf("the sheet:\n%s", paper)
	}
	if strings.Contains(p.Log(), batch.Codes[0].Code) {
		t.Error("the log has a code")
	}
	t.Run("browser", func(t *testing.T) { s.voucherJourneys(t, batch.Codes[1], s.scan(t, paper)) })
	if err := p.Terminate(); err != nil {
		t.Errorf("stopping: %v\n%s", err, p.Log())
	}
}

// scan reads the QR codes of a sheet of vouchers, as it comes from a printer, and returns the link of one: every slip has that of its own code.
func (s *site) scan(t *testing.T, paper string) (link string) {
	t.Helper()
	browser.Require(t)
	b := browser.Open(t, browser.Options{Width: 1280, Height: 800})
	b.Load(paper)
	b.Shot("sheet")
	b.WantFits()
	var want []string
	for _, code := range regexp.MustCompile(`<code dir="ltr">([^<]+)</code>`).FindAllStringSubmatch(paper, -1) {
		want = append(want, "http://192.0.2.1/v/"+strings.ReplaceAll(code[1], "-", ""))
	}
	got := lab.ReadQR(t, b.Picture())
	slices.Sort(got)
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" || len(got) != 20 {
		t.Fatalf("QR codes (-printed +read):\n%s", d)
	}
	return got[0]
}

// voucherJourneys go by clicks: typed with a mistake and then right, and by the link of a QR code, which lets one device in.
func (s *site) voucherJourneys(t *testing.T, slip admin.VoucherSlip, link string) {
	const enter = "#voucher ~ button"
	b := browser.Open(t, browser.Options{Host: s.guest(t).Host})
	b.Go(probe)
	b.See(enter)
	b.WantLight(maxPage)
	b.Check("voucher")
	code := slip.Code
	b.Fill("#voucher", code[:13])
	b.Click(enter)
	b.WantText("#problem", "mistyped")
	b.Check("voucher-mistyped")
	b.Fill("#voucher", strings.ToLower(code))
	b.Click(enter)
	b.See(logOut)

	b = browser.Open(t, browser.Options{Host: s.guest(t).Host, NoScript: true, Dark: true, Language: "ar"})
	b.Go(link)
	b.See(enter)
	b.WantLight(maxPage)
	b.Check("voucher-link-ar")
	b.Click(enter)
	b.See(logOut)
	b.WantPath("/status")
	b.Go("http://" + lab.WebAddr4 + "/echo")
	b.WantText("body", lab.GatewayWAN4)

	other := s.guest(t) // somebody else finds the slip
	at, err := other.Get(t.Context(), link)
	if err == nil {
		at, err = other.Follow(t.Context(), at)
	}
	if err == nil {
		at, err = other.Submit(t.Context(), at, "voucher", nil)
	}
	if err != nil || !strings.Contains(at.Body, "as many devices as it allows") {
		t.Errorf("the slip again: %v\n%s", err, at.Body)
	}
	answered(t, other, http.StatusFound)
}
