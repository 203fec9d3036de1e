package browser

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Check judges the page that is shown, and keeps a screenshot of it.
func (b *Browser) Check(name string) {
	b.t.Helper()
	b.Shot(name)
	b.WantAccessible()
	b.WantFits()
	b.WantKeyboard()
}

// axeSource is axe-core, which scripts/axe.sh fetches.
func axeSource() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod above the test's folder")
		}
	}
	found, _ := filepath.Glob(filepath.Join(dir, "bin", "axe-core", "axe-*.min.js"))
	if len(found) == 0 {
		return "", fmt.Errorf("axe-core is not in %s; run scripts/axe.sh", filepath.Join(dir, "bin", "axe-core"))
	}
	source, err := os.ReadFile(found[len(found)-1])
	return string(source), err
}

// violation is what axe-core finds.
type violation struct {
	ID, Help string
	Nodes    []struct {
		HTML           string
		FailureSummary string
	}
}

//go:embed axe.js
var runAxe string

// WantAccessible runs axe-core on the page: WCAG 2.2 up to AA, and what it calls best practice. It runs in a world of its own, which
// the page's policy does not reach and the page does not see; where the page may run no script, only axe-core may for a moment.
func (b *Browser) WantAccessible() {
	b.t.Helper()
	b.want(b.accessible())
}

func (b *Browser) accessible() error {
	b.t.Helper()
	source, err := axeSource()
	if err != nil {
		return err
	}
	tree := call(b, page.GetFrameTree, cdp.Empty{})
	world := call(b, page.CreateIsolatedWorld, page.CreateIsolatedWorldParams{FrameID: tree.FrameTree.Frame.ID, WorldName: "axe"})
	inWorld := func(p *runtime.EvaluateParams) { p.ContextID = world.ExecutionContextID }
	if b.options.NoScript {
		call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: false})
	}
	get(b, "loading axe-core", chromedp.Evaluate[chromedp.Void](source, inWorld))
	found := get(b, "running axe-core", chromedp.Evaluate[[]violation](runAxe, inWorld, chromedp.EvalAwaitPromise))
	if b.options.NoScript {
		call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	}
	var said []string
	for _, v := range found {
		for _, n := range v.Nodes {
			said = append(said, fmt.Sprintf("%s: %s\n  %s\n  %s", v.ID, v.Help, n.HTML, strings.ReplaceAll(n.FailureSummary, "\n", "\n  ")))
		}
	}
	if said != nil {
		return fmt.Errorf("axe-core finds:\n%s", strings.Join(said, "\n"))
	}
	return nil
}

// WantFits checks that nothing sticks out sideways, also with text twice as large (WCAG 2.2 §1.4.4, §1.4.10).
func (b *Browser) WantFits() {
	b.t.Helper()
	b.want(b.fits())
}

func (b *Browser) fits() error {
	b.t.Helper()
	for _, size := range []string{"200%", ""} {
		width := get(b, "measuring the page", chromedp.Evaluate[int64](
			fmt.Sprintf(`document.documentElement.style.fontSize = %q; document.documentElement.scrollWidth`, size)))
		if width > b.options.Width {
			return fmt.Errorf("with text size %q the page is %d pixels wide in a window of %d", size, width, b.options.Width)
		}
	}
	return nil
}

//go:embed keyboard.js
var expected string

// WantKeyboard goes through the page with the tabulator: every field, button and link is reached once, in the order in which
// they stand on the page, and is seen to have the focus.
func (b *Browser) WantKeyboard() {
	b.t.Helper()
	b.want(b.keyboard())
}

func (b *Browser) keyboard() error {
	b.t.Helper()
	count := get(b, "looking for what takes the focus", chromedp.Evaluate[int](expected))
	for i := range count {
		b.do("pressing the tabulator", chromedp.KeyEvent(kb.Tab))
		// A date has a stop for each of its parts.
		for get(b, "looking for a date", chromedp.Evaluate[bool](fmt.Sprintf(
			`%d > 0 && document.activeElement === gatehouseStops[%d] && document.activeElement.type === "date"`, i, max(0, i-1)))) {
			b.do("pressing the tabulator", chromedp.KeyEvent(kb.Tab))
		}
		got := get(b, "looking what has the focus", chromedp.Evaluate[string](
			fmt.Sprintf(`((want, e) => e !== want ? "got " + e.outerHTML.slice(0, 200) + ", want " + want.outerHTML.slice(0, 200) :
				parseFloat(getComputedStyle(e).outlineWidth) < 2 || getComputedStyle(e).outlineStyle === "none" ? "no ring around " + e.outerHTML.slice(0, 200) : "")(gatehouseStops[%d], document.activeElement)`, i)))
		if got != "" {
			return fmt.Errorf("stop %d of %d by keyboard: %s", i+1, count, got)
		}
	}
	get(b, "leaving the focus", chromedp.Evaluate[chromedp.Void](`document.activeElement.blur()`))
	return nil
}
