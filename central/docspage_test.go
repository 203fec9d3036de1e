package central_test

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"gatehouse/api/openapi"
)

// TestDocsPage loads all that the page loads, and nothing of it from elsewhere.
func TestDocsPage(t *testing.T) {
	c := newCentre(t)
	page := c.want(200, ask{method: "GET", path: "/api/docs/"}, nil)
	if home := c.want(200, ask{method: "GET", path: "/"}, nil); home.text != page.text {
		t.Errorf("the centre's own address has %.80q", home.text)
	}
	if policy := page.header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'; script-src 'self';") {
		t.Errorf("policy %q", policy)
	}
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page.text, -1) {
		if strings.Contains(m[1], "//") {
			t.Errorf("the page loads %s", m[1])
			continue
		}
		path := m[1]
		if !strings.HasPrefix(path, "/") {
			path = "/api/docs/" + path
		}
		got := c.want(200, ask{method: "GET", path: path}, nil)
		if kind := got.header.Get("Content-Type"); kind == "" || got.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: type %q", path, kind)
		}
	}
	for _, path := range []string{"/api/docs/x", "/api/docs/../contract.go", "/api/docs/embed.go", "/api/openapi/x.json"} {
		c.want(404, ask{method: "GET", path: path}, nil)
	}
	names, err := fs.Glob(openapi.Files(), "*.yaml")
	if err != nil || len(names) != 4 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		for _, form := range []string{name, strings.Replace(name, ".yaml", ".json", 1)} {
			got := c.want(200, ask{method: "GET", path: "/api/openapi/" + form}, nil)
			if _, err := openapi3.NewLoader().LoadFromData([]byte(got.text)); err != nil {
				t.Errorf("%s: %v", form, err)
			}
		}
	}
}
