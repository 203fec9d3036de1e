package browser

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"gatehouse/lab"
)

// patience is how long one step may take on a busy machine.
const patience = 30 * time.Second

// Options say what a browser is like. The zero Options are a phone of 320 × 568 in English, light, with JavaScript.
type Options struct {
	Host          *lab.Host // where it runs; nil: here
	Width, Height int64     // CSS pixels; below 600 of width it is a telephone
	Dark          bool
	NoScript      bool
	Language      string // of Accept-Language, as in "ar" or "zh-Hant-TW,zh;q=0.9"
	Authority     string // PEM file of a certificate authority that it trusts beside the world's
	Resolver      string // address that it asks for names; empty: whom this machine asks
}

// Browser is a running Chromium with one page. Its steps fail the test by themselves.
type Browser struct {
	t       testing.TB
	ctx     context.Context
	options Options
	traffic traffic
	failed  bool
}

// Require lets the test go on only where there are Chromium and axe-core.
func Require(t testing.TB) {
	t.Helper()
	lab.RequireBrowser(t)
	_, err := axeSource()
	lab.Require(t, err)
}

// Open starts a browser that ends with the test.
func Open(t testing.TB, o Options) *Browser {
	t.Helper()
	if o.Width == 0 {
		o.Width, o.Height = 320, 568
	}
	if o.Language == "" {
		o.Language = "en"
	}
	primary, _, _ := strings.Cut(o.Language, ",")
	settled, err := settle(t.TempDir(), o)
	if err != nil {
		t.Fatalf("preparing Chromium: %v", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("lang", primary), chromedp.Flag("accept-lang", o.Language),
		chromedp.UserDataDir(t.TempDir()), chromedp.Env("HOME="+t.TempDir()),
		chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) {
			argv := append(settled, append([]string{cmd.Path}, cmd.Args[1:]...)...)
			inside := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
			if o.Host != nil {
				inside = o.Host.Command(t.Context(), argv[0], argv[1:]...)
			}
			cmd.Path, cmd.Args = inside.Path, inside.Args
			cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		}))
	ctx, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	b := &Browser{t: t, ctx: ctx, options: o}
	if err := chromedp.Listen(ctx, b.traffic.hear); err != nil {
		t.Fatalf("starting Chromium: %v", err)
	}
	b.resize(o.Width, o.Height)
	scheme := "light"
	if o.Dark {
		scheme = "dark"
	}
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: o.NoScript})
	return b
}

func (b *Browser) resize(width, height int64) {
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 600})
}

// Go opens an address. Weight and requests count from here.
func (b *Browser) Go(address string) {
	b.t.Helper()
	b.traffic.reset()
	b.do("opening "+address, chromedp.Navigate(address))
}

// Load shows a page that was not loaded from anywhere.
func (b *Browser) Load(html string) {
	b.t.Helper()
	b.do("opening a blank page", chromedp.Navigate("about:blank"))
	tree := call(b, page.GetFrameTree, cdp.Empty{})
	call(b, page.SetDocumentContent, page.SetDocumentContentParams{FrameID: tree.FrameTree.Frame.ID, HTML: html})
}

// Click clicks on an element.
func (b *Browser) Click(selector string) {
	b.t.Helper()
	b.do("clicking on "+selector, chromedp.WaitVisible(chromedp.CSS(selector)), chromedp.Click(chromedp.CSS(selector)))
}

// Fill types into a field, in place of what it holds.
func (b *Browser) Fill(selector, text string) {
	b.t.Helper()
	b.do("filling in "+selector, chromedp.WaitVisible(chromedp.CSS(selector)), chromedp.Clear(chromedp.CSS(selector)), chromedp.SendKeys(chromedp.CSS(selector), text))
}

// See waits until an element is visible.
func (b *Browser) See(selector string) {
	b.t.Helper()
	b.do("waiting for "+selector, chromedp.WaitVisible(chromedp.CSS(selector)))
}

// Gone waits until there is no such element.
func (b *Browser) Gone(selector string) {
	b.t.Helper()
	b.do("waiting until there is no "+selector, chromedp.WaitNotPresent(chromedp.CSS(selector)))
}

// Text is an element's text as it is to be seen.
func (b *Browser) Text(selector string) string {
	b.t.Helper()
	return get(b, "reading "+selector, chromedp.Text(chromedp.CSS(selector)))
}

// Value is what an attribute of an element holds; empty where there is none.
func (b *Browser) Value(selector, attribute string) string {
	b.t.Helper()
	v := get(b, "reading "+attribute+" of "+selector, chromedp.AttributeValue(chromedp.CSS(selector), attribute))
	return v.Value
}

// WantText waits until an element's text has this in it, in capital or small letters.
func (b *Browser) WantText(selector, text string) {
	b.t.Helper()
	var got string
	err := lab.WaitFor(b.ctx, patience, func() error {
		if got = b.Text(selector); !strings.Contains(strings.ToLower(got), strings.ToLower(text)) {
			return os.ErrNotExist
		}
		return nil
	})
	if err != nil {
		b.fatalf("%s says %q, want %q in it", selector, got, text)
	}
}

// Path is where the page is, without host and query.
func (b *Browser) Path() string {
	b.t.Helper()
	u, err := url.Parse(b.Address())
	if err != nil {
		b.fatalf("reading the address: %v", err)
	}
	return u.Path
}

// Address is where the page is.
func (b *Browser) Address() string {
	b.t.Helper()
	return get(b, "reading the address", chromedp.Location())
}

// WantPath waits until the page is at this path.
func (b *Browser) WantPath(path string) {
	b.t.Helper()
	var got string
	err := lab.WaitFor(b.ctx, patience, func() error {
		if got = b.Path(); got != path {
			return os.ErrNotExist
		}
		return nil
	})
	if err != nil {
		b.fatalf("the page is at %s, want %s", got, path)
	}
}

// Shot keeps a screenshot of the whole page, where screenshots are wanted.
func (b *Browser) Shot(name string) {
	b.t.Helper()
	dir := os.Getenv("GATEHOUSE_SCREENSHOTS")
	if dir == "" {
		return
	}
	file := strings.NewReplacer("/", "-", " ", "-").Replace(b.t.Name() + "-" + name + ".png")
	if err := os.WriteFile(filepath.Join(dir, file), b.Picture(), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// Picture is the whole page as a PNG.
func (b *Browser) Picture() []byte {
	b.t.Helper()
	return get(b, "taking a screenshot", chromedp.FullScreenshot(100))
}

func (b *Browser) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	get(b, what, chromedp.Steps(actions...))
}

// passing are what Chromium answers about an element or a page that goes away because the next page comes.
var passing = []string{"No node with given id", "Could not find node with given id", "Cannot find context with specified id", "Execution context was destroyed",
	"does not belong to the document", "Inspected target navigated or closed"}

// get is what an action yields. What was there goes away when the next page comes: then it is looked for again.
func get[T any](b *Browser, what string, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, action)
	for err != nil && ctx.Err() == nil && slices.ContainsFunc(passing, func(what string) bool { return strings.Contains(err.Error(), what) }) {
		v, err = chromedp.Run(ctx, action)
	}
	if err != nil {
		b.fatalf("%s: %v", what, err)
	}
	return v
}

// call sends a command of the browser's protocol.
func call[P, R any](b *Browser, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	v, err := chromedp.Call(b.ctx, command, params)
	if err != nil {
		b.fatalf("%s: %v", command.Method, err)
	}
	return v
}

func (b *Browser) want(err error) {
	b.t.Helper()
	if err != nil {
		b.fatalf("%v", err)
	}
}

// fatalf ends the test and shows what the guest saw.
func (b *Browser) fatalf(format string, args ...any) {
	b.t.Helper()
	if !b.failed { // by what follows, the reason would only be hidden
		b.failed = true
		b.t.Logf("the page %s said:\n%s", b.Address(), b.Text("body"))
		b.Shot("failed")
	}
	b.t.Fatalf(format, args...)
}
