package portal

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/lab"
	"gatehouse/sessions"
)

// reply is any WISPr message as software reads it.
type reply struct {
	XMLName xml.Name `xml:"WISPAccessGatewayParam"`
	Message struct {
		XMLName xml.Name
		Fields  []struct {
			XMLName xml.Name
			Text    string `xml:",chardata"`
		} `xml:",any"`
	} `xml:",any"`
}

// message finds the message in a page as ConnMan does, has the strict parsers look at it, and returns its name and fields.
func (b *bench) message(page string) (name string, fields map[string]string) {
	b.Helper()
	_, comment, ok := strings.Cut(page, "<!--")
	comment, _, ended := strings.Cut(comment, "-->")
	if !ok || !ended || strings.Contains(comment, "--") {
		b.Fatalf("no comment that ends where it should in\n%s", page)
	}
	from, to := strings.Index(comment, "<WISPAccessGatewayParam"), strings.LastIndex(comment, "WISPAccessGatewayParam>")
	if from < 0 || to < 0 {
		b.Fatalf("no message in\n%s", page)
	}
	document := comment[from : to+len("WISPAccessGatewayParam>")]
	file := filepath.Join(b.TempDir(), "message.xml")
	if err := os.WriteFile(file, []byte(document), 0o600); err != nil {
		b.Fatal(err)
	}
	if out, err := exec.Command("xmllint", "--noout", "--nonet", "--schema", "testdata/wispr.xsd", file).CombinedOutput(); err != nil {
		b.Fatalf("not as the schema wants it: %v\n%s\n%s", err, out, document)
	}
	var r reply
	if err := xml.Unmarshal([]byte(document), &r); err != nil {
		b.Fatal(err)
	}
	fields = map[string]string{}
	for _, f := range r.Message.Fields {
		fields[f.XMLName.Local] = f.Text
	}
	return r.Message.XMLName.Local, fields
}

// smart is software that logs in by itself: it follows redirects until it meets a message, and keeps no cookies.
func (b *bench) smart(method, url string, form url.Values) (name string, fields map[string]string) {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), method, url, strings.NewReader(form.Encode()))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("User-Agent", "CaptiveNetworkSupport-481.0.2 wispr")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil || resp.ContentLength <= 0 || resp.StatusCode != http.StatusOK {
		b.Fatalf("%s %s: %v, status %d, length %d", method, url, err, resp.StatusCode, resp.ContentLength)
	}
	return b.message(string(page))
}

func startWISPr(t *testing.T) *bench {
	lab.Program(t, "xmllint")
	return start(t, func(c *Config) {
		c.WISPr = map[string]WISPr{"guest": {AccessLocation: "isocc=de,cc=49,ac=30,network=Guests", LocationName: `Zum "Eck" & <Söhne>--,Lobby-->`}}
	})
}

// caught is the message that comes with the redirect of a probe.
func (b *bench) caught() map[string]string {
	b.Helper()
	got := b.raw("GET /hotspot-detect.html HTTP/1.1\r\nHost: captive.apple.com\r\nUser-Agent: CaptiveNetworkSupport-481.0.2 wispr\r\n\r\n")
	name, fields := b.message(got.body)
	if got.status != http.StatusFound || name != "Redirect" {
		b.Fatalf("status %d, message %s", got.status, name)
	}
	return fields
}

func TestWISPrRedirect(t *testing.T) {
	b := startWISPr(t)
	home := "http://" + b.addr
	want := map[string]string{"AccessProcedure": "1.0", "AccessLocation": "isocc=de,cc=49,ac=30,network=Guests",
		"LocationName": `Zum "Eck" & <Söhne>--,Lobby-->`, "LoginURL": home + "/wispr/login", "AbortLoginURL": home + "/wispr/abort",
		"MessageType": "100", "ResponseCode": "0"}
	if d := cmp.Diff(want, b.caught()); d != "" {
		t.Errorf("with the redirect (-want +got):\n%s", d)
	}
	if name, got := b.message(b.get("/").body); name != "Redirect" || cmp.Diff(want, got) != "" {
		t.Errorf("with the login page: %s %v", name, got)
	}
	b.manager.zone.AllowCleartext = false
	got := b.raw("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
	if strings.Contains(got.body, "WISP") {
		t.Error("a password is asked for over clear HTTP where the zone forbids it")
	}
	if _, fields := b.smart("POST", home+"/wispr/login", url.Values{"UserName": {"ann"}, "Password": {"x"}}); fields["ResponseCode"] != "100" {
		t.Errorf("taken all the same: %v", fields)
	}
	if got := start(t, nil).get("/wispr/abort"); got.status != http.StatusNotFound {
		t.Errorf("a zone without WISPr answers with %d", got.status)
	}
}

func TestWISPrLogin(t *testing.T) {
	b := startWISPr(t)
	session := &sessions.Session{AcctSessionID: "0011", AcctMultiSessionID: "0001", Station: phone, StartedAt: sessions.Stamp{BootID: "boot"}}
	var asked sessions.LoginRequest
	b.manager.login = func(_ context.Context, req sessions.LoginRequest) (sessions.Session, error) {
		asked = req
		switch req.Credentials.Username {
		case "away":
			return sessions.Session{}, &sessions.Refusal{Reason: sessions.RefusedCentreAway}
		case "broken":
			return sessions.Session{}, errors.New("disk full")
		}
		if req.Credentials.Password != "right" {
			return sessions.Session{}, &sessions.Refusal{Reason: sessions.RefusedCredentials}
		}
		b.manager.set(session)
		return *session, nil
	}
	b.manager.logout = func(context.Context, sessions.Station, sessions.TerminateCause) (sessions.Session, error) {
		b.manager.set(nil)
		return *session, nil
	}
	login := b.caught()["LoginURL"]
	for _, c := range []struct{ user, password, code string }{
		{"ann", "wrong", "100"}, {"", "", "100"}, {"away", "x", "102"}, {"broken", "x", "255"},
	} {
		name, got := b.smart("POST", login, url.Values{"UserName": {c.user}, "Password": {c.password}})
		if name != "AuthenticationReply" || got["MessageType"] != "120" || got["ResponseCode"] != c.code || got["ReplyMessage"] == "" || got["LogoffURL"] != "" {
			t.Errorf("%s/%s: %s %v", c.user, c.password, name, got)
		}
	}
	// Exactly what ConnMan sends.
	name, got := b.smart("POST", login, url.Values{"UserName": {"ann"}, "Password": {"right"}, "button": {"Login"}, "FNAME": {"0"}, "OriginatingServer": {"http://captive.apple.com/"}})
	logoff := "http://" + b.addr + "/wispr/logoff?session=0011"
	if d := cmp.Diff(map[string]string{"MessageType": "120", "ResponseCode": "50", "LogoffURL": logoff}, got); name != "AuthenticationReply" || d != "" {
		t.Errorf("%s (-want +got):\n%s", name, d)
	}
	if asked.Method != sessions.MethodPassword || asked.Station != phone || asked.Secure {
		t.Errorf("asked %+v", asked)
	}
	if _, got := b.smart("GET", "http://"+b.addr+"/wispr/abort", nil); got["ResponseCode"] != "50" || got["LogoffURL"] != logoff {
		t.Errorf("abort of who is in: %v", got)
	}
	for _, c := range []struct{ session, code string }{{"", "255"}, {"0012", "255"}, {"0001", "150"}, {"0001", "255"}} {
		name, got := b.smart("GET", "http://"+b.addr+"/wispr/logoff?session="+c.session, nil)
		if d := cmp.Diff(map[string]string{"MessageType": "130", "ResponseCode": c.code}, got); name != "LogoffReply" || d != "" {
			t.Errorf("logoff %q: %s (-want +got):\n%s", c.session, name, d)
		}
	}
	if _, got := b.smart("GET", "http://"+b.addr+"/wispr/abort", nil); got["MessageType"] != "150" || got["ResponseCode"] != "151" {
		t.Errorf("abort of nothing: %v", got)
	}
	if strings.Contains(b.log.String(), "right") {
		t.Error("a password is in the log")
	}
}

// A login that takes its time is told of as pending, asked for by GET and by POST, and given up.
func TestWISPrSlowLogin(t *testing.T) {
	for _, c := range []struct {
		name, poll, code string
		answer           error
	}{
		{"polled by GET", "GET", "50", nil},
		{"polled by POST", "POST", "50", nil},
		{"refused late", "GET", "100", &sessions.Refusal{Reason: sessions.RefusedCredentials}},
		{"nobody answers", "GET", "102", context.DeadlineExceeded},
		{"given up", "", "151", context.Canceled},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := startWISPr(t)
			b.portal.wispr.patience = 100 * time.Millisecond
			decided, logins := make(chan struct{}), make(chan struct{}, 9)
			b.manager.login = func(ctx context.Context, _ sessions.LoginRequest) (sessions.Session, error) {
				logins <- struct{}{}
				select {
				case <-decided:
				case <-ctx.Done():
					return sessions.Session{}, ctx.Err()
				}
				if c.answer == nil {
					b.manager.set(&sessions.Session{AcctSessionID: "0011", Station: phone})
				}
				return sessions.Session{}, c.answer
			}
			login, form := b.caught()["LoginURL"], url.Values{"UserName": {"ann"}, "Password": {"right"}}
			home := "http://" + b.addr
			for range 2 { // the second time is the same login still
				_, got := b.smart("POST", login, form)
				if d := cmp.Diff(map[string]string{"MessageType": "120", "ResponseCode": "201", "LoginResultsURL": home + "/wispr/results"}, got); d != "" {
					t.Fatalf("-want +got:\n%s", d)
				}
			}
			if len(logins) != 1 {
				t.Errorf("%d logins", len(logins))
			}
			if c.poll == "" {
				if _, got := b.smart("GET", home+"/wispr/abort", nil); got["ResponseCode"] != c.code {
					t.Errorf("%v", got)
				}
				return
			}
			name, got := b.smart(c.poll, home+"/wispr/results", nil)
			if d := cmp.Diff(map[string]string{"MessageType": "140", "ResponseCode": "201", "Delay": "2"}, got); name != "AuthenticationPollReply" || d != "" {
				t.Fatalf("%s (-want +got):\n%s", name, d)
			}
			close(decided)
			if _, got := b.smart(c.poll, home+"/wispr/results", nil); got["ResponseCode"] != c.code || (got["LogoffURL"] != "") != (c.code == "50") {
				t.Errorf("in the end %v", got)
			}
		})
	}
}

// Another site cannot log a guest's browser in, and attempts of many stations are bounded.
func TestWISPrAttacks(t *testing.T) {
	b := startWISPr(t)
	b.manager.login = func(context.Context, sessions.LoginRequest) (sessions.Session, error) {
		t.Error("it got through")
		return sessions.Session{}, errors.New("no")
	}
	body := "UserName=mallory&Password=right"
	for _, from := range []string{"Origin: http://evil.example", "Sec-Fetch-Site: cross-site", "Origin: null"} {
		got := b.raw(fmt.Sprintf("POST /wispr/login HTTP/1.1\r\nHost: %s\r\n%s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", b.addr, from, len(body), body))
		if _, fields := b.message(got.body); fields["ResponseCode"] != "255" {
			t.Errorf("%s: %v", from, fields)
		}
	}
	var l wisprLogins
	var running sync.WaitGroup
	hold := make(chan struct{})
	wait := func(context.Context) error { <-hold; return nil }
	for i := range maxWISPrAttempts {
		st := sessions.Station{Zone: "guest", MAC: sessions.MAC{2, byte(i >> 8), byte(i)}}
		if l.begin(t.Context(), &running, st, 0, wait) == nil {
			t.Fatalf("attempt %d has no place", i)
		}
	}
	if l.begin(t.Context(), &running, phone, time.Hour, wait) != nil {
		t.Error("there is a place for one more")
	}
	close(hold)
	running.Wait()
	if l.begin(t.Context(), &running, phone, 0, wait) == nil || len(l.by) > maxWISPrAttempts {
		t.Error("who is done leaves no place")
	}
	running.Wait()
}

// Software has one field that is called user name. A code needs no second one.
func TestWISPrVoucher(t *testing.T) {
	b := startWISPr(t)
	b.manager.zone.Methods = []sessions.Method{sessions.MethodPassword, sessions.MethodVoucher}
	code := sessions.NewVoucherCode()
	b.manager.login = func(_ context.Context, req sessions.LoginRequest) (sessions.Session, error) {
		if req.Method != sessions.MethodVoucher || string(req.Code) != code.Text() || req.Credentials != (sessions.Credentials{}) {
			t.Errorf("asked %+v", req)
		}
		s := sessions.Session{AcctSessionID: "0011", Station: phone}
		b.manager.set(&s)
		return s, nil
	}
	if _, got := b.smart("POST", "http://"+b.addr+"/wispr/login", url.Values{"UserName": {code.Text()}, "Password": {""}}); got["ResponseCode"] != "50" {
		t.Errorf("%v", got)
	}
}

// What failed long ago is no answer to who asks how a login went.
func TestWISPrOldFailure(t *testing.T) {
	b := startWISPr(t)
	b.manager.login = func(context.Context, sessions.LoginRequest) (sessions.Session, error) {
		return sessions.Session{}, &sessions.Refusal{Reason: sessions.RefusedCredentials}
	}
	b.smart("POST", "http://"+b.addr+"/wispr/login", url.Values{"UserName": {"ann"}, "Password": {"wrong"}})
	b.clock.Advance(time.Hour)
	b.manager.set(&sessions.Session{AcctSessionID: "0011", Station: phone})
	if _, got := b.smart("GET", "http://"+b.addr+"/wispr/results", nil); got["ResponseCode"] != "50" {
		t.Errorf("%v", got)
	}
}

// An interface that is gone is given up although somebody is being let in on another.
func TestWISPrOnAnotherInterface(t *testing.T) {
	b := startWISPr(t)
	b.portal.wispr.patience = time.Millisecond
	decided := make(chan struct{})
	b.manager.login = func(context.Context, sessions.LoginRequest) (sessions.Session, error) {
		<-decided
		return sessions.Session{}, errors.New("too late")
	}
	if _, got := b.smart("POST", "http://"+b.addr+"/wispr/login", url.Values{"UserName": {"ann"}, "Password": {"right"}}); got["ResponseCode"] != "201" {
		t.Fatal(got)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	done := make(chan error, 1)
	go func() { done <- b.portal.Serve(ctx, ln) }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Error("the other listener waits for a login that is not its own")
	}
	close(decided)
}
