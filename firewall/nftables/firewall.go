package nftables

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"gatehouse/sessions"
)

// Errors that callers tell apart, beside ErrPermission and ErrMarks.
var (
	ErrNoNFT    = errors.New("the nft program is not installed")
	ErrNewer    = errors.New("the firewall table was made by a newer gatehouse; run that version, or gatehouse cleanup")
	ErrFull     = fmt.Errorf("no station id is free: %w", sessions.ErrEnforcerFull)
	ErrNoZone   = errors.New("no such zone in the firewall")
	ErrNotReady = errors.New("the firewall was not reconciled yet")
)

const (
	defaultPortalHTTPPort = 2080
	dnsPort               = 53
)

// Firewall is sessions.Enforcer over the table inet gatehouse of the network namespace in which New was called.
type Firewall struct {
	cfg Config

	mu     sync.Mutex
	socket *socket
	ready  bool // Reconcile has succeeded
	known  bool // the fields below tell what the kernel has
	early  bool // somebody else keeps something in marks, see rules.capture

	grants map[id]*grant
	// of are a station's grants, the one that it got last at the end; those before it have ended and wait for Release.
	of   map[sessions.Station][]*grant
	idle idleState
	caps map[string]*kernelCap // by key
	// former are the ids that grants had, by grantKey, until Reconcile has done with them; nil: nobody knows.
	former map[string]former
	// blocked are the stations of SetBlocked, by zone.
	blocked map[string][]sessions.MAC
	lastID  id
	// reaches are those that may hold.
	reaches   map[sessions.Station]*reach
	lastReach id // the last number given out, 1 to maxReaches
	// installed are the parts of the table that the last Reconcile left.
	installed []string
	told      string // of a conflict with other people's rules
}

var _ sessions.Enforcer = (*Firewall)(nil)

// New opens the way to the kernel and changes nothing. Reconcile, Open and Watch must be called in the same
// network namespace. Call Close at the end.
func New(cfg Config) (*Firewall, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	cfg.PortalHTTPPort = cmp.Or(cfg.PortalHTTPPort, defaultPortalHTTPPort)
	cfg.DNSPort = cmp.Or(cfg.DNSPort, dnsPort)
	cfg.NFT = cmp.Or(cfg.NFT, "nft")
	s, err := dial()
	if err != nil {
		return nil, err
	}
	f := &Firewall{cfg: cfg, socket: s}
	f.forgetState()
	return f, nil
}

// Close closes the socket. The kernel goes on enforcing.
func (f *Firewall) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.socket.close()
}

func (f *Firewall) forgetState() {
	f.ready, f.known = false, false
	f.grants, f.of = map[id]*grant{}, map[sessions.Station][]*grant{}
	f.idle = idleState{chains: map[time.Duration]bool{}}
	f.caps = map[string]*kernelCap{}
	f.reaches = map[sessions.Station]*reach{}
}

// Open is for a clean stop: it lets every station of the zones with OnStop Open through, and leaves the others, and all
// grants, as they are. The next Reconcile closes them again.
func (f *Firewall) Open(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ready {
		return ErrNotReady
	}
	f.ready = false
	if err := f.install(ctx, f.rules(true)); err != nil {
		return fmt.Errorf("opening zones: %w", err)
	}
	return nil
}

// Works says why the nft program or the kernel does not take the rules, and changes nothing.
func (f *Firewall) Works(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	// A table of ours may be there, with sets of an older version.
	text := strings.ReplaceAll(f.rules(false).text(), "table inet "+tableName, "table inet "+tableName+"_trial")
	_, err := f.nft(ctx, text, "--check", "-f", "-")
	return err
}

// IsThere tells whether the kernel has a table of ours, whoever made it.
func (f *Firewall) IsThere() (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	found, err := f.socket.inspect()
	return found.there, err
}

// CleanUp removes the table and every connection that a station has. It needs no state and no configuration.
func (f *Firewall) CleanUp(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgetState()
	f.former = nil
	if err := f.removeTable(); err != nil {
		return err
	}
	return f.socket.deleteAllFlows()
}

func (f *Firewall) removeTable() error {
	var t transaction
	t.table(unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE) // so that the next message has something to delete
	t.table(unix.NFT_MSG_DELTABLE, 0)
	if err := f.socket.transact(&t.messages); err != nil {
		return fmt.Errorf("removing the firewall table: %w", err)
	}
	return nil
}

func (t *transaction) table(kind, flags uint16) {
	t.add(unix.NFNL_SUBSYS_NFTABLES<<8|kind, flags, unix.NFPROTO_INET, 0)
	t.text(unix.NFTA_TABLE_NAME, tableName)
}

// nft runs the nft program and returns what it printed.
func (f *Firewall) nft(ctx context.Context, input string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, f.cfg.NFT, args...)
	cmd.Stdin = strings.NewReader(input)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %q", ErrNoNFT, f.cfg.NFT)
	}
	if err != nil {
		first, _, _ := strings.Cut(strings.TrimSpace(complaint.String()), "\n")
		return nil, fmt.Errorf("running nft: %w: %s", err, first)
	}
	return out.Bytes(), nil
}
