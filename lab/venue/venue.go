package venue

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gatehouse/lab"
)

// Options say which programs run and how.
type Options struct {
	Gatehouse string // path of the program
	Central   string // path of the program; empty: the gateway stands alone
	// CentreAway configures a centre that cannot be reached, where there is no Central.
	CentreAway bool
	// Daemon is the command that runs the gateway's daemon, followed by --config FILE. Default: Gatehouse run.
	Daemon []string
	// StateDir is the daemon's. Default: a folder of the lab.
	StateDir string
	// PublicURL is where browsers reach the centre. Default: CentreURL.
	PublicURL string
	// Zone is TOML of the zone beside its name, interface and masquerade. Default: both ways in, passwords in the clear.
	Zone string
	// Output gets what the programs write beside their logs. Default: nothing.
	Output io.Writer
}

const defaultZone = `
methods = ["password", "click"]
terms = "Be kind."
terms_version = "1"
allow_cleartext = true
`

// Venue is a lab with gatehouse in it.
type Venue struct {
	*lab.Lab
	Daemon *lab.Process // of the gateway; nil before StartGateway
	Centre *lab.Process // nil before StartCentre
	Admin  string       // token of role admin
	Config string       // path of the gateway's configuration

	options Options
	runtime string
	edge    string
}

// NASIP is the gateway's NAS-IP-Address.
const NASIP = "192.0.2.1"

// CentreURL is where the centre listens.
const CentreURL = "http://" + lab.CentreAddr4 + ":8080"

// CentrePublic is where browsers reach the centre, once a test has put HTTPS there.
const CentrePublic = "https://" + lab.CentreName

const secretsKey = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=" // of tests

// New builds the lab, makes the centre's database with one organisation and its tokens, and starts both programs.
func New(ctx context.Context, options Options) (*Venue, error) {
	l, err := lab.New(ctx, lab.Options{})
	if err != nil {
		return nil, err
	}
	v := &Venue{Lab: l, options: options, runtime: filepath.Join(l.Dir, "run"), Config: filepath.Join(l.Dir, "gatehouse.toml")}
	if err := v.begin(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return v, nil
}

func (v *Venue) begin(ctx context.Context) error {
	if v.options.StateDir == "" {
		v.options.StateDir = filepath.Join(v.Dir, "state")
	}
	if v.options.Daemon == nil {
		v.options.Daemon = []string{v.options.Gatehouse, "run"}
	}
	if v.options.Zone == "" {
		v.options.Zone = defaultZone
	}
	for _, dir := range []string{v.options.StateDir, v.runtime} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	if v.options.Central != "" {
		if err := v.foundCentre(ctx); err != nil {
			return err
		}
		if err := v.StartCentre(ctx); err != nil {
			return err
		}
	}
	if err := v.writeConfig(); err != nil {
		return err
	}
	return v.StartGateway(ctx)
}

func (v *Venue) database() string { return "sqlite://" + filepath.Join(v.Dir, "centre.db") }

func (v *Venue) foundCentre(ctx context.Context) error {
	steps := []struct {
		args []string
		to   *string
	}{
		{[]string{"migrate"}, nil},
		{[]string{"org", "create", "--short-name", "acme", "--name", "Acme"}, nil},
		{[]string{"token", "create", "--org", "acme", "--role", "admin"}, &v.Admin},
		{[]string{"token", "create", "--org", "acme", "--role", "edge"}, &v.edge},
	}
	for _, s := range steps {
		out, err := v.WAN.Run(ctx, v.options.Central, append(s.args, "--database", v.database())...)
		if err != nil {
			return err
		}
		if s.to != nil {
			*s.to = strings.TrimSpace(out)
		}
	}
	return nil
}

func (v *Venue) writeConfig() error {
	centre := ""
	if v.options.CentreAway {
		v.edge = "0123456789abcdef0123456789abcdef"
	}
	if v.edge != "" {
		token := filepath.Join(v.Dir, "token")
		if err := os.WriteFile(token, []byte(v.edge+"\n"), 0o600); err != nil {
			return err
		}
		centre = fmt.Sprintf("[centre]\nurl = %q\ntoken_file = %q\nallow_cleartext = true\n", CentreURL, token)
	}
	text := fmt.Sprintf(`nas_id = "lobby-1"
nas_ip = %q
state_dir = %q
runtime_dir = %q
[portal]
venue = "Hotel Example"
%s
[[zone]]
name = "guests"
interfaces = [%q]
masquerade = true
%s
`, NASIP, v.options.StateDir, v.runtime, centre, lab.GuestBridge, v.options.Zone)
	return os.WriteFile(v.Config, []byte(text), 0o600)
}

// StartCentre starts gatehouse-central and waits until it serves.
func (v *Venue) StartCentre(ctx context.Context) error {
	listen := strings.TrimPrefix(CentreURL, "http://")
	p, err := v.WAN.Start(ctx, []string{v.options.Central, "serve", "--database", v.database(), "--listen", listen, "--public-url", cmp.Or(v.options.PublicURL, CentreURL),
		"--private-networks", lab.Services},
		[]string{"SSL_CERT_FILE=" + v.CAFile, "GATEHOUSE_SECRETS_KEY=" + secretsKey}, v.options.Output)
	if err != nil {
		return err
	}
	v.Centre = p
	return v.serving(ctx, p, v.WAN, CentreURL+"/readyz")
}

// StartGateway starts gatehouse and waits until its portal answers in the guest network.
func (v *Venue) StartGateway(ctx context.Context) error {
	p, err := v.Gateway.Start(ctx, append(v.options.Daemon[:len(v.options.Daemon):len(v.options.Daemon)], "--config", v.Config), nil, v.options.Output)
	if err != nil {
		return err
	}
	v.Daemon = p
	return v.serving(ctx, p, v.Gateway, "http://"+lab.GuestGateway4+":2080/")
}

// serving waits until url answers, or tells what the program said when it ended.
func (v *Venue) serving(ctx context.Context, p *lab.Process, from *lab.Host, url string) error {
	client := from.HTTPClient()
	defer client.CloseIdleConnections()
	var ended error
	err := lab.WaitFor(ctx, 20*time.Second, func() error {
		select {
		case <-p.Done():
			ended = fmt.Errorf("the program ended: %w\n%s", p.Wait(), p.Log())
			return nil
		default:
		}
		resp, err := client.Get(url)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
	if err != nil {
		return fmt.Errorf("waiting for %s: %w\n%s", url, err, p.Log())
	}
	return ended
}

// Gatehouse is the path of the gateway's program.
func (v *Venue) Gatehouse() string { return v.options.Gatehouse }

// SetDaemon changes the command that the next StartGateway runs the daemon with.
func (v *Venue) SetDaemon(argv []string) { v.options.Daemon = argv }

// Socket is the path of the gateway's control socket.
func (v *Venue) Socket() string { return filepath.Join(v.runtime, "control.sock") }

// CLI runs a verb of gatehouse on the gateway and returns what it printed.
func (v *Venue) CLI(ctx context.Context, stdin string, args ...string) (string, error) {
	verb := append(args[:len(args):len(args)], "--socket", v.Socket())
	cmd := v.Gateway.Command(ctx, v.options.Gatehouse, verb...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("gatehouse %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

// API calls the GATE API as the admin, from the internet, and decodes the answer into out (nil: not read). It returns the status.
func (v *Venue) API(ctx context.Context, method, path string, in, out any) (int, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return 0, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, CentreURL+"/api/v1"+path, body)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+v.Admin)
	req.Header.Set("Content-Type", "application/json")
	resp, err := v.WAN.HTTPClient().Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return resp.StatusCode, err
	}
	if resp.StatusCode/100 != 2 {
		return resp.StatusCode, fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, answer)
	}
	if out == nil {
		return resp.StatusCode, nil
	}
	return resp.StatusCode, json.Unmarshal(answer, out)
}

// Accounting is what the demo and the tests read of a row of GET /aaa_accounting/.
type Accounting struct {
	AcctSessionID      string     `json:"acctsessionid"`
	Username           string     `json:"username"`
	CallingStationID   string     `json:"callingstationid"`
	AcctStartTime      time.Time  `json:"acctstarttime"`
	AcctStopTime       *time.Time `json:"acctstoptime"`
	AcctSessionTime    int64      `json:"acctsessiontime"`
	AcctInputOctets    uint64     `json:"acctinputoctets"`
	AcctOutputOctets   uint64     `json:"acctoutputoctets"`
	AcctTerminateCause string     `json:"acctterminatecause"`
}

// Accounting lists accounting rows by the query given, as in "session_status=active".
func (v *Venue) Accounting(ctx context.Context, query string) ([]Accounting, error) {
	var page struct{ Results []Accounting }
	_, err := v.API(ctx, http.MethodGet, "/aaa_accounting/?limit=100&"+query, nil, &page)
	return page.Results, err
}

// Transaction is what the demo and the tests read of a row of GET /txlog_portal/.
type Transaction struct {
	Type      string  `json:"type"`
	Status    string  `json:"status"`
	Username  *string `json:"username"`
	SessionID *string `json:"session_id"`
}

// Transactions lists the transaction log by the query given, as in "type=ui".
func (v *Venue) Transactions(ctx context.Context, query string) ([]Transaction, error) {
	var page struct{ Results []Transaction }
	_, err := v.API(ctx, http.MethodGet, "/txlog_portal/?limit=100&"+query, nil, &page)
	return page.Results, err
}

// Organization changes what the centre's organisation is, by arguments of org update.
func (v *Venue) Organization(ctx context.Context, args ...string) error {
	_, err := v.WAN.Run(ctx, v.options.Central, append([]string{"org", "update", "--short-name", "acme", "--database", v.database()}, args...)...)
	return err
}
