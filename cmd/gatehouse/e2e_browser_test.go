package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"gatehouse/lab"
	"gatehouse/lab/venue"
)

// journey is one walk through the portal in a real Chromium, told to the browser's process as JSON.
type journey struct {
	Name          string
	Width, Height int64
	Dark          bool
	NoScript      bool
	Language      string
	Screenshots   string // folder; empty: none
	Probe         string // what the phone asks for first
}

// TestBrowser walks through the portal by clicks: caught, a wrong password, the right one, the internet, and out again.
func TestBrowser(t *testing.T) {
	lab.RequireKernel(t)
	lab.RequireBrowser(t)
	v := newVenue(t, venue.Options{})
	addAccount(t, v, "ann", "correct horse")
	shots := os.Getenv("GATEHOUSE_SCREENSHOTS")
	for _, size := range []struct{ w, h int64 }{{320, 568}, {1280, 800}} {
		for _, dark := range []bool{false, true} {
			j := journey{Width: size.w, Height: size.h, Dark: dark, NoScript: dark, Language: "en", Screenshots: shots}
			j.Name = fmt.Sprintf("%dx%d-light", size.w, size.h)
			if dark {
				j.Name = fmt.Sprintf("%dx%d-dark-noscript", size.w, size.h)
			}
			t.Run(j.Name, func(t *testing.T) { walk(t, v, j) })
		}
	}
}

// walk runs the browser inside a new station.
func walk(t *testing.T, v *venue.Venue, j journey) {
	g, err := v.AddGuest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	j.Probe = "http://" + lab.WebAddr4 + "/generate_204"
	told, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := g.Command(t.Context(), self)
	cmd.Env = append(os.Environ(), roleVariable+"=browser", "GATEHOUSE_TEST_JOURNEY="+string(told), "HOME="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("the journey failed: %v\n%s", err, out)
	}
}

// browse is the browser's process: it takes the journey and fails at the first thing that is not as it should be.
func browse() error {
	var j journey
	if err := json.Unmarshal([]byte(os.Getenv("GATEHOUSE_TEST_JOURNEY")), &j); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "chromium-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(dir),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("lang", j.Language), chromedp.WindowSize(int(j.Width), int(j.Height)))
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	scheme := "light"
	if j.Dark {
		scheme = "dark"
	}
	b := &browser{ctx: ctx, journey: j}
	b.do() // starts it
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: j.Width, Height: j.Height, DeviceScaleFactor: 1, Mobile: j.Width < 600})
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: j.NoScript})
	b.do(chromedp.Navigate(j.Probe), chromedp.WaitVisible(username))
	b.shot("1-login")
	b.narrow()
	b.do(chromedp.SendKeys(username, "ann"), chromedp.SendKeys(password, "wrong"), chromedp.Click(logIn), chromedp.WaitVisible(problem))
	b.shot("2-error")
	b.want(problem, "password")
	// The user name is still there.
	b.do(chromedp.SendKeys(password, "correct horse"), chromedp.Click(logIn), chromedp.WaitVisible(logOut))
	b.shot("3-status")
	b.narrow()
	b.at("/status")
	b.do(chromedp.Navigate("http://" + lab.WebAddr4 + "/echo"))
	b.want(chromedp.CSS("body"), lab.GatewayWAN4)
	b.do(chromedp.Navigate("http://"+lab.GuestGateway4+":2080/"), chromedp.WaitVisible(logOut), chromedp.Click(logOut), chromedp.WaitNotPresent(logOut))
	b.shot("4-logged-out")
	b.at("/logged-out")
	b.do(chromedp.Navigate(j.Probe), chromedp.WaitVisible(username))
	return b.err
}

var (
	username = chromedp.CSS("#username")
	password = chromedp.CSS("#password")
	logIn    = chromedp.CSS("#password ~ button")
	problem  = chromedp.CSS("#problem")
	logOut   = chromedp.CSS(`form[action="/logout"] button`)
)

// browser remembers the first error and does nothing after it.
type browser struct {
	ctx     context.Context
	journey journey
	err     error
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	if b.err == nil {
		b.err = chromedp.Do(b.ctx, actions...)
	}
}

// call sends a command of the browser's protocol.
func call[P, R any](b *browser, command cdp.Command[P, R], params P) {
	if b.err == nil {
		_, b.err = chromedp.Call(b.ctx, command, params)
	}
}

// get is what an action yields.
func get[T any](b *browser, action chromedp.Action[T]) (v T) {
	if b.err == nil {
		v, b.err = chromedp.Run(b.ctx, action)
	}
	return v
}

func (b *browser) want(selector chromedp.CSS, text string) {
	if got := get(b, chromedp.Text(selector)); b.err == nil && !strings.Contains(strings.ToLower(got), text) {
		b.err = fmt.Errorf("the page says %q, want %q in it", got, text)
	}
}

func (b *browser) at(path string) {
	at := get(b, chromedp.Location())
	if u, err := url.Parse(at); b.err == nil && (err != nil || u.Path != path) {
		b.err = fmt.Errorf("at %s, want %s", at, path)
	}
}

// narrow checks that nothing sticks out of the sheet.
func (b *browser) narrow() {
	width := get(b, chromedp.Evaluate[int64](`document.documentElement.scrollWidth`))
	if b.err == nil && width > b.journey.Width {
		b.err = fmt.Errorf("the page is %d pixels wide in a sheet of %d", width, b.journey.Width)
	}
}

func (b *browser) shot(name string) {
	if b.journey.Screenshots == "" {
		return
	}
	png := get(b, chromedp.FullScreenshot(100))
	if b.err == nil {
		b.err = os.WriteFile(filepath.Join(b.journey.Screenshots, b.journey.Name+"-"+name+".png"), png, 0o644)
	}
}
