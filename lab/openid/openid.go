package openid

import (
	"bytes"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"testing"
	"time"

	"gatehouse/lab"
)

// What the provider knows: clients and users.
const (
	Client      = "web"
	OtherClient = "api"
	Secret      = "secret"
	Password    = "verysecure"
	OtherUser   = "test-user2" // beside the one of User
)

// User is a user name at a provider with the issuer.
func User(issuer string) string {
	u, _ := url.Parse(issuer) // of a test
	return "test-user@" + u.Hostname()
}

// Build builds the provider and returns the path of the program.
func Build(t testing.TB) string {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	program := filepath.Join(t.TempDir(), "provider")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = filepath.Join(filepath.Dir(here), "provider")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the provider: %v\n%s", err, out)
	}
	return program
}

// Start runs a provider on loopback until the test ends, behind the issuer's address, which may lead through a proxy of the test. It
// returns its own.
func Start(t testing.TB, program, issuer, redirect string) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = ln.Addr().String()
	_ = ln.Close()
	cmd := exec.Command(program, issuer, addr, redirect)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the provider said:\n%s", said.String())
		}
	})
	for end := time.Now().Add(lab.Patience(10 * time.Second)); ; {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			_ = c.Close()
			return addr
		}
		if time.Now().After(end) {
			t.Fatalf("the provider does not answer: %v", err)
		}
	}
}

var requestID = regexp.MustCompile(`name="id" value="([^"]+)"`)

// Browse signs a user in at the address of an authorization request, as a browser with cookies does, and returns where the provider
// sends the browser then. Nothing of that is visited.
func Browse(t testing.TB, address, user string) *url.URL {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	from, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Timeout: lab.Patience(10 * time.Second), CheckRedirect: func(to *http.Request, _ []*http.Request) error {
		if to.URL.Host != from.Host {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	page, err := browser.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer page.Body.Close()
	if to, err := page.Location(); err == nil { // it did not ask
		return to
	}
	var text bytes.Buffer
	_, _ = text.ReadFrom(page.Body)
	id := requestID.FindStringSubmatch(text.String())
	if id == nil {
		t.Fatalf("%s: %s\n%s", address, page.Status, text.String())
	}
	done, err := browser.PostForm(page.Request.URL.JoinPath().String(), url.Values{"id": {id[1]}, "username": {user}, "password": {Password}})
	if err != nil {
		t.Fatal(err)
	}
	defer done.Body.Close()
	to, err := done.Location()
	if err != nil {
		_, _ = text.ReadFrom(done.Body)
		t.Fatalf("after the login: %s\n%s", done.Status, text.String())
	}
	return to
}
