package browser

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"gatehouse/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m.Run)) }

const good = `<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>Good</title>
<link rel="icon" href="data:,"><style>:focus{outline:3px solid #000}</style>
<main><h1>Good</h1><form><p><label for="a">Name</label> <input id="a"></p><button>Send</button></form><p><a href="/">Home</a></p></main></html>`

// Every check finds the fault that it is for, with scripts switched off and with a policy that forbids them.
func TestFaultsAreFound(t *testing.T) {
	Require(t)
	b := Open(t, Options{NoScript: true})
	replace := func(from, to string) string { return strings.Replace(good, from, to, 1) }
	for _, c := range []struct {
		name, page, say string
		check           func() error
	}{
		{"good", good, "", b.accessible},
		{"good, width", good, "", b.fits},
		{"good, keyboard", good, "", b.keyboard},
		{"a field without a label", replace(`for="a"`, ""), "label", b.accessible},
		{"too little contrast", replace("<p><a", `<p style="color:#999;background:#fff">weak</p><p><a`), "color-contrast", b.accessible},
		{"a target too small", replace("<button>", `<button style="font-size:6px;padding:0;border:0">x</button><button>`), "target-size", b.accessible},
		{"no language", replace(` lang="en"`, ""), "html-has-lang", b.accessible},
		{"too wide", replace("<p><a", `<div style="width:400px">wide</div><p><a`), "408 pixels", b.fits},
		{"too wide with large text", replace("<p><a", `<div style="width:15rem">wide</div><p><a`), `"200%"`, b.fits},
		{"out of order", replace("<button", `<button tabindex="2"`), "want", b.keyboard},
		{"out of reach", replace("<button", `<button tabindex="-1"`), "want", b.keyboard},
		{"no ring", replace("3px solid", "0 none"), "no ring", b.keyboard},
	} {
		b.Load(c.page)
		err := c.check()
		if (err == nil) != (c.say == "") || err != nil && !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v, want %q in it", c.name, err, c.say)
		}
	}
}

// A page is light when it is small and asks for nothing else.
func TestLight(t *testing.T) {
	Require(t)
	mux := http.NewServeMux()
	mux.Handle("/probe", http.RedirectHandler("/", http.StatusFound))
	page := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:")
			_, _ = w.Write([]byte(body))
		}
	}
	mux.Handle("/", page(good))
	mux.Handle("/image", page(good+`<img alt="" src="/one.png">`+`<img alt="" src="/two.png">`))
	srv := httptest.NewServer(mux)
	defer srv.Close()
	b := Open(t, Options{})
	b.Go(srv.URL + "/probe")
	b.WantPath("/")
	if err := b.light(2000); err != nil {
		t.Error(err)
	}
	if err := b.light(400); err == nil {
		t.Error("400 bytes are enough for a page of 500")
	}
	b.WantAccessible() // in spite of the policy
	b.Go(srv.URL + "/image")
	b.See("h1")
	if err := b.light(8000); err == nil {
		t.Error("a page with pictures is told to ask for nothing")
	}
}

// Steps reach the page as fingers do.
func TestSteps(t *testing.T) {
	Require(t)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(`<!doctype html><p id="said">` + r.FormValue("a") + " " + r.Header.Get("Accept-Language") +
			`</p><form action="/next"><input id="a" name="a" value="old"><button>Send</button></form>`))
	}))
	defer srv.Close()
	b := Open(t, Options{Language: "ar", NoScript: true})
	b.Go(srv.URL)
	b.WantText("#said", "ar")
	b.Fill("#a", "new")
	b.Click("button")
	b.WantPath("/next")
	b.WantText("#said", "new ar")
	b.Gone("#problem")
	if got := b.Value("#a", "value"); got != "old" {
		t.Errorf("the field holds %q", got)
	}
}
