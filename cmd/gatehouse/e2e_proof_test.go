package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/lab"
	"gatehouse/lab/browser"
	"gatehouse/lab/venue"
)

// postOffice is where the centre's messages arrive, on the internet: a mail server and a gateway of text messages.
type postOffice struct {
	mu   sync.Mutex
	mail []string // whole conversations
	sms  []string
}

const (
	mailPort = 2525
	smsPort  = 8090
)

func openPostOffice(t *testing.T, v *venue.Venue) *postOffice {
	t.Helper()
	p := &postOffice{}
	listen := func(port int) net.Listener {
		ln, err := v.WAN.Listen(t.Context(), "tcp", fmt.Sprintf("%s:%d", lab.CentreAddr4, port))
		if err != nil {
			t.Fatal(err)
		}
		return ln
	}
	mail := listen(mailPort)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := mail.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.takeMail(c) })
		}
	})
	sms := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.sms = append(p.sms, r.URL.Query().Get("to")+" "+r.URL.Query().Get("text"))
	})}
	ln := listen(smsPort)
	wg.Go(func() { _ = sms.Serve(ln) }) // until it is closed
	t.Cleanup(func() { _ = mail.Close(); _ = sms.Close(); wg.Wait() })
	return p
}

// takeMail speaks as much of SMTP as it takes to be handed one mail.
func (p *postOffice) takeMail(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	say := func(text string) { _, _ = io.WriteString(c, text+"\r\n") }
	say("220 ready")
	var all []string
	data := false
	for in := bufio.NewScanner(c); in.Scan(); {
		line := in.Text()
		all = append(all, line)
		switch {
		case data && line == ".":
			data = false
			p.mu.Lock()
			p.mail = append(p.mail, strings.Join(all, "\n"))
			p.mu.Unlock()
			say("250 queued")
		case data:
		case line == "QUIT":
			say("221 bye")
			return
		case line == "DATA":
			data = true
			say("354 go on")
		default:
			say("250 ok")
		}
	}
}

// mailTo is the text of the last mail to an address.
func (p *postOffice) mailTo(t *testing.T, to string) string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.mail) - 1; i >= 0; i-- {
		if strings.Contains(p.mail[i], "RCPT TO:<"+to+">") {
			text, _ := io.ReadAll(quotedprintable.NewReader(strings.NewReader(p.mail[i]))) // what is no body of a mail breaks off
			return string(text) + p.mail[i]
		}
	}
	t.Fatalf("no mail to %s among %d", to, len(p.mail))
	return ""
}

var sixDigits = regexp.MustCompile(`\b\d{6}\b`)

func (p *postOffice) codeMailed(t *testing.T, to string) string {
	t.Helper()
	return sixDigits.FindString(p.mailTo(t, to))
}

// settle sets something at the centre.
func settle(t *testing.T, v *venue.Venue, path string, body any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, venue.CentreURL+"/admin/v1"+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+v.Admin)
	req.Header.Set("Content-Type", "application/json")
	resp, err := v.WAN.HTTPClient().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if answer, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatalf("%s: %s %s %v", path, resp.Status, answer, err)
	}
}

const proofZone = `
methods = ["email", "sms", "register", "sponsor"]
allow_cleartext = true
[zone.sms]
country_code = "49"
[zone.register]
verify = "sms"
password = true
[[zone.register.field]]
name = "first_name"
required = true
[[zone.register.field]]
name = "telephone"
required = true
[[zone.register.field]]
name = "custom_field_1"
type = "checkbox"
label = "Newsletter"
`

// TestProofs: the ways in that the centre proves, from the first click to the internet, by clicks; in two languages, with scripts and
// without.
func TestProofs(t *testing.T) {
	lab.RequireKernel(t)
	browser.Require(t)
	v := newVenue(t, venue.Options{Central: central(t), Zone: proofZone})
	post := openPostOffice(t, v)
	settle(t, v, "/settings/mail/", map[string]any{"host": lab.CentreAddr4, "port": mailPort, "security": "none", "from": "wifi@hotel.example"})
	settle(t, v, "/settings/sms/", map[string]any{"method": "GET", "url": fmt.Sprintf("http://%s:%d/?to={to}&text={text}", lab.CentreAddr4, smsPort)})
	settle(t, v, "/settings/proofs/", map[string]any{"sponsors": []string{"@hotel.example"}})
	for _, o := range []browser.Options{{}, {Language: "ar", NoScript: true, Dark: true}} {
		if o.Language == "" {
			o.Language = "en"
		}
		t.Run(fmt.Sprintf("%s,script=%t", o.Language, !o.NoScript), func(t *testing.T) {
			o.Host = newGuest(t, v).Host
			b := browser.Open(t, o)
			online := func(name string) {
				t.Helper()
				b.See(logOut)
				b.WantPath("/status")
				b.Check(name)
				b.Go("http://" + lab.WebAddr4 + "/echo")
				b.WantText("body", lab.GatewayWAN4)
				b.Go("http://" + lab.GuestGateway4 + ":2080/")
				b.Click(logOut)
				b.WantPath("/logged-out")
			}
			guest := o.Language + "-guest@example.net"
			b.Go(probe)
			b.See("#contact-email")
			b.WantLight(maxPage)
			b.Check("1-ways")
			b.Fill("#contact-email", guest)
			b.Click("#way-email form > button")
			b.See("#code")
			b.WantPath("/proof")
			b.Check("2-code")
			b.Go(probe) // the sheet is closed, the mail read, and the sheet is back
			b.See("#code")
			code := post.codeMailed(t, guest)
			b.Fill("#code", string('0'+(code[0]-'0'+1)%10)+code[1:])
			b.Click("#code ~ button")
			b.See("#problem")
			b.Check("3-wrong")
			b.Fill("#code", code)
			b.Click("#code ~ button")
			online("4-online")

			b.Go(probe)
			b.Click("#way-register summary")
			b.Click("#way-register form > button")
			b.See("#first_name")
			b.Check("5-register")
			b.Fill("#first_name", "Änne <b>")
			number := map[string]string{"en": "0170 1234567", "ar": "0170 7654321"}[o.Language]
			b.Fill("#telephone", number)
			b.Fill("#password", "a long password")
			b.Click("#password ~ button")
			b.See("#code")
			b.Check("6-code")
			post.mu.Lock()
			text := post.sms[len(post.sms)-1]
			post.mu.Unlock()
			if want := "+49" + strings.ReplaceAll(number[1:], " ", ""); !strings.HasPrefix(text, want+" ") {
				t.Errorf("the text message went out as %q, want to %s", text, want)
			}
			b.Fill("#code", sixDigits.FindString(text[13:]))
			b.Click("#code ~ button")
			online("7-online")

			o.Host = newGuest(t, v).Host // a device gets a message a minute
			b = browser.Open(t, o)
			b.Go(probe)
			b.Click("#way-sponsor summary")
			sponsor := o.Language + "-boss@hotel.example"
			b.Fill("#guest-name", "Änne Müller")
			b.Fill("#contact-sponsor", sponsor)
			b.Click("#contact-sponsor ~ button")
			b.See(`form[action^="/proof/code"] button`)
			b.Check("8-waiting")
			approve(t, v, o, post.mailTo(t, sponsor))
			b.See(`form[action^="/proof/code"] button:not(.quiet)`) // the page looks again by itself
			b.Check("9-agreed")
			b.Click(`form[action^="/proof/code"] button`)
			online("10-online")
		})
	}
	err := lab.WaitFor(t.Context(), 30*time.Second, func() error {
		logins, err := v.Transactions(t.Context(), "type=ui")
		if err != nil {
			return err
		}
		made, err := v.Transactions(t.Context(), "type=ur")
		if len(logins) != 6 || len(made) != 2 || made[0].Username == nil || !strings.HasPrefix(*made[0].Username, "+49170") {
			err = fmt.Errorf("%d logins, registrations %+v", len(logins), made)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	var users struct{ Count int }
	if _, err := v.API(t.Context(), http.MethodGet, "/user/", nil, &users); err != nil || users.Count != 6 {
		t.Errorf("%d accounts were made, want 6: %v", users.Count, err)
	}
	if log := v.Daemon.Log() + v.Centre.Log(); strings.Contains(log, "guest@example.net") || strings.Contains(log, "a long password") || strings.Contains(log, "1701234567") {
		t.Error("a guest's address, number or password is in a log")
	}
}

// approve is what a sponsor does with his mail: a program looks at the link, then he opens it and says yes.
func approve(t *testing.T, v *venue.Venue, o browser.Options, mail string) {
	t.Helper()
	link := regexp.MustCompile(regexp.QuoteMeta(venue.CentreURL) + `/sponsor/[A-Z0-9]+`).FindString(mail)
	if link == "" {
		t.Fatalf("no link in\n%s", mail)
	}
	resp, err := v.WAN.HTTPClient().Get(link)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	o.Host = v.WAN
	b := browser.Open(t, o)
	b.Go(link)
	b.See(`button[value="approve"]`)
	b.Check("sponsor")
	b.Click(`button[value="approve"]`)
	b.Gone("form")
	b.Check("sponsor-done")
}
