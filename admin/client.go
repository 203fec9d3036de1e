package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"gatehouse/sessions"
)

// ErrUnreachable says that no daemon answers on the control socket.
var ErrUnreachable = errors.New("the daemon cannot be reached")

// Client talks to the daemon. Its methods return *Error when the daemon says no, and ErrUnreachable, wrapped, when it
// says nothing.
type Client struct {
	http http.Client
}

// NewClient makes a client of the control socket at path. It connects with the first call.
func NewClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	return &Client{http: http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Status is the gateway at a glance.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return call[Status](ctx, c, http.MethodGet, "/status", nil)
}

// Stations are all stations that the daemon has seen.
func (c *Client) Stations(ctx context.Context) ([]Station, error) {
	return call[[]Station](ctx, c, http.MethodGet, "/stations", nil)
}

// Sessions are the running sessions, the oldest first.
func (c *Client) Sessions(ctx context.Context) ([]Session, error) {
	return call[[]Session](ctx, c, http.MethodGet, "/sessions", nil)
}

// Gardens are the walled gardens of all zones.
func (c *Client) Gardens(ctx context.Context) ([]Garden, error) {
	return call[[]Garden](ctx, c, http.MethodGet, "/gardens", nil)
}

// Login lets a station in.
func (c *Client) Login(ctx context.Context, in LoginRequest) (Session, error) {
	return call[Session](ctx, c, http.MethodPost, "/login", in)
}

// Logout ends one session, or all, and returns what was ended.
func (c *Client) Logout(ctx context.Context, in LogoutRequest) ([]Session, error) {
	return call[[]Session](ctx, c, http.MethodPost, "/logout", in)
}

// Access are the rules for stations, those of the configuration first.
func (c *Client) Access(ctx context.Context) ([]AccessRule, error) {
	return call[[]AccessRule](ctx, c, http.MethodGet, "/access", nil)
}

// SetAccess makes a rule.
func (c *Client) SetAccess(ctx context.Context, in SetAccessRequest) (AccessRule, error) {
	return call[AccessRule](ctx, c, http.MethodPost, "/access/set", in)
}

// RemoveAccess takes rules back.
func (c *Client) RemoveAccess(ctx context.Context, in RemoveAccessRequest) (RemovedAccess, error) {
	return call[RemovedAccess](ctx, c, http.MethodPost, "/access/remove", in)
}

// Extend gives a session or an account more, and returns the running sessions that have it.
func (c *Client) Extend(ctx context.Context, in ExtendRequest) ([]Session, error) {
	return call[[]Session](ctx, c, http.MethodPost, "/extend", in)
}

// Pause pauses a session, or goes on with a paused one.
func (c *Client) Pause(ctx context.Context, in PauseRequest) (Session, error) {
	return call[Session](ctx, c, http.MethodPost, "/pause", in)
}

// Explain is what happened to a station.
func (c *Client) Explain(ctx context.Context, in ExplainRequest) (sessions.Visit, error) {
	return call[sessions.Visit](ctx, c, http.MethodPost, "/explain", in)
}

// Accounts are the gateway's own accounts.
func (c *Client) Accounts(ctx context.Context) ([]Account, error) {
	return call[[]Account](ctx, c, http.MethodGet, "/accounts", nil)
}

// AddAccount makes an account.
func (c *Client) AddAccount(ctx context.Context, a Account, p sessions.Password) (Account, error) {
	return call[Account](ctx, c, http.MethodPost, "/accounts/add", AddAccountRequest{Account: a, Password: p})
}

// SetPassword changes an account's password.
func (c *Client) SetPassword(ctx context.Context, username string, p sessions.Password) error {
	_, err := call[none](ctx, c, http.MethodPost, "/accounts/passwd", PasswordRequest{Username: username, Password: p})
	return err
}

// RemoveAccount removes an account and ends its sessions.
func (c *Client) RemoveAccount(ctx context.Context, username string) error {
	_, err := call[none](ctx, c, http.MethodPost, "/accounts/remove", RemoveAccountRequest{Username: username})
	return err
}

// ImportRooms replaces the list of who stays in which room.
func (c *Client) ImportRooms(ctx context.Context, in ImportRoomsRequest) (ImportedRooms, error) {
	return call[ImportedRooms](ctx, c, http.MethodPost, "/rooms/import", in)
}

// Rooms are all stays, by their rooms.
func (c *Client) Rooms(ctx context.Context) ([]Stay, error) {
	return call[[]Stay](ctx, c, http.MethodGet, "/rooms", nil)
}

// CreateVouchers makes a batch. Its codes are in the answer, and nowhere else.
func (c *Client) CreateVouchers(ctx context.Context, in CreateVouchersRequest) (VoucherBatch, error) {
	return call[VoucherBatch](ctx, c, http.MethodPost, "/vouchers/create", in)
}

// VoucherBatches are all batches, the oldest first.
func (c *Client) VoucherBatches(ctx context.Context) ([]VoucherBatch, error) {
	return call[[]VoucherBatch](ctx, c, http.MethodGet, "/vouchers", nil)
}

// Vouchers are those of a batch; of all where it is 0.
func (c *Client) Vouchers(ctx context.Context, batch int64) ([]Voucher, error) {
	return call[[]Voucher](ctx, c, http.MethodPost, "/vouchers/list", VouchersRequest{Batch: batch})
}

// RevokeVouchers revokes vouchers and ends their sessions.
func (c *Client) RevokeVouchers(ctx context.Context, in RevokeVouchersRequest) (RevokedVouchers, error) {
	return call[RevokedVouchers](ctx, c, http.MethodPost, "/vouchers/revoke", in)
}

func call[Out any](ctx context.Context, c *Client, method, path string, in any) (Out, error) {
	var out Out
	err := c.call(ctx, method, path, in, &out)
	return out, err
}

func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("writing request: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://gatehouse"+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("making request: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, cause(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return refusal(resp)
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("reading answer: %w", err)
	}
	return nil
}

func refusal(resp *http.Response) error {
	var e Error
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxRequest)).Decode(&e); err != nil || e.Code == "" {
		return fmt.Errorf("reading answer: not the daemon's: %s", resp.Status)
	}
	return &e
}

// cause is the system's word about a socket, without the names of the layers that it passed.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
