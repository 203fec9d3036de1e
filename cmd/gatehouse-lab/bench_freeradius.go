package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"gatehouse/lab/postgres"
	"gatehouse/radius"
)

const (
	peerClients = 128
	peerSecret  = "testing123"
	raddb       = "/etc/freeradius/3.0"
	peerRetry   = 5 * time.Second
)

// peerConfig is FreeRADIUS as it is shipped, for accounting alone: its own queries, a connection for each thread. %s are
// its folder, where the shipped configuration is, the port, where the database is.
const peerConfig = `
raddbdir = %[2]s
modconfdir = ${raddbdir}/mods-config
prefix = /usr
exec_prefix = /usr
libdir = /usr/lib/freeradius
logdir = %[1]s
run_dir = %[1]s
db_dir = %[1]s
pidfile = %[1]s/radiusd.pid
max_request_time = 30
cleanup_delay = 5
max_requests = 65536
log {
	destination = stdout
}
security {
	allow_vulnerable_openssl = yes
}
client lab {
	ipaddr = 127.0.0.0/8
	secret = ` + peerSecret + `
}
thread pool {
	start_servers = 32
	max_servers = 32
	min_spare_servers = 32
	max_spare_servers = 32
	max_requests_per_server = 0
}
modules {
	expr {
	}
	sql {
		dialect = postgresql
		driver = rlm_sql_postgresql
		radius_db = "dbname=postgres host=%[4]s user=gatehouse"
		acct_table1 = radacct
		acct_table2 = radacct
		postauth_table = radpostauth
		authcheck_table = radcheck
		groupcheck_table = radgroupcheck
		authreply_table = radreply
		groupreply_table = radgroupreply
		usergroup_table = radusergroup
		client_table = nas
		group_attribute = "SQL-Group"
		read_clients = no
		pool {
			start = 32
			min = 32
			max = 32
			spare = 0
			uses = 0
			lifetime = 0
			idle_timeout = 0
			retry_delay = 1
		}
		$INCLUDE ${modconfdir}/${.:name}/main/${dialect}/queries.conf
	}
}
policy {
	$INCLUDE ${raddbdir}/policy.d/accounting
}
server default {
	listen {
		type = acct
		ipaddr = 127.0.0.1
		port = %[3]d
	}
	preacct {
		acct_unique
	}
	accounting {
		sql
	}
}
`

// freeradiusRate is how many records a second FreeRADIUS writes into PostgreSQL.
func freeradiusRate(ctx context.Context) (perSecond float64, err error) {
	db, err := postgres.StartIn(onDisk, settings()...)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	schema, err := os.ReadFile(filepath.Join(raddb, "mods-config/sql/main/postgresql/schema.sql"))
	if err != nil {
		return 0, fmt.Errorf("reading FreeRADIUS's schema: %w", err)
	}
	if err := db.Run(ctx, string(schema)); err != nil {
		return 0, err
	}
	port, stop, err := startFreeradius(ctx, db)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	merged, perSecond, err := accountingRate(ctx, port)
	return perSecond, errors.Join(err, wroteAll(ctx, db, merged))
}

// accountingRate lets 128 clients send, each the next record when the last was answered.
func accountingRate(ctx context.Context, port int) (records int64, perSecond float64, err error) {
	var merged atomic.Int64
	var wg sync.WaitGroup
	failed := make(chan error, peerClients)
	begun := time.Now()
	for n := range peerClients {
		wg.Go(func() { failed <- account(ctx, port, n, begun.Add(peerTime), &merged) })
	}
	wg.Wait()
	close(failed)
	took := time.Since(begun)
	for e := range failed {
		err = errors.Join(err, e)
	}
	return merged.Load(), float64(merged.Load()) / took.Seconds(), err
}

// listenerRate is how many records a second the centre's own listener writes into PostgreSQL.
func listenerRate(ctx context.Context, p programs) (perSecond float64, err error) {
	url, done, err := database("PostgreSQL", settings()...)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, done()) }()
	dir, err := os.MkdirTemp("", "gatehouse-radius-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	secret, key := filepath.Join(dir, "secret"), filepath.Join(dir, "key")
	for name, text := range map[string]string{secret: peerSecret, key: base64.StdEncoding.EncodeToString(make([]byte, 32))} {
		if err := os.WriteFile(name, []byte(text+"\n"), 0o600); err != nil {
			return 0, err
		}
	}
	port, err := freePort()
	if err != nil {
		return 0, err
	}
	c, err := startCentre(ctx, p, url, "--secrets-key", key, "--radius", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	if _, err := c.tenant(ctx, "acme"); err != nil {
		return 0, err
	}
	if _, err := c.verb(ctx, "radius-client", "add", "--org", "acme", "--name", "lab", "--network", "127.0.0.0/8", "--secret-file", secret,
		"--secrets-key", key); err != nil {
		return 0, err
	}
	_, perSecond, err = accountingRate(ctx, port)
	return perSecond, err
}

// freePort is a UDP port that nobody uses.
func freePort() (int, error) {
	free, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return free.LocalAddr().(*net.UDPAddr).Port, free.Close()
}

// wroteAll looks that of three records each became one session, which has begun and ended.
func wroteAll(ctx context.Context, db *postgres.Server, records int64) error {
	conn, err := pgx.Connect(ctx, db.URL("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var sessions int64
	const count = "SELECT count(*) FROM radacct WHERE acctstoptime IS NOT NULL AND acctupdatetime IS NOT NULL AND acctoutputoctets = 18000000"
	if err := conn.QueryRow(ctx, count).Scan(&sessions); err != nil {
		return err
	}
	if sessions < records/3 {
		return fmt.Errorf("FreeRADIUS answered %d records, and wrote %d sessions", records, sessions)
	}
	return nil
}

func startFreeradius(ctx context.Context, db *postgres.Server) (port int, stop func() error, err error) {
	dir, err := os.MkdirTemp("", "gatehouse-freeradius-")
	if err != nil {
		return 0, nil, err
	}
	if port, err = freePort(); err != nil {
		return 0, nil, err
	}
	text := fmt.Sprintf(peerConfig, dir, raddb, port, db.Dir())
	if err := os.WriteFile(filepath.Join(dir, "radiusd.conf"), []byte(text), 0o600); err != nil {
		return 0, nil, err
	}
	cmd := exec.CommandContext(ctx, "freeradius", "-f", "-l", "stdout", "-d", dir, "-D", "/usr/share/freeradius", "-n", "radiusd")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		return 0, nil, err
	}
	stop = func() error {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		return os.RemoveAll(dir)
	}
	var merged atomic.Int64
	wait, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := account(wait, port, peerClients, time.Now(), &merged); err != nil {
		return 0, nil, errors.Join(fmt.Errorf("FreeRADIUS does not answer: %w: %s", err, log.String()), stop())
	}
	return port, stop, nil
}

// account sends Start, Interim-Update and Stop of one session after the other, each when the last was answered, at least
// one session.
func account(ctx context.Context, port, client int, until time.Time, merged *atomic.Int64) error {
	conn, err := net.Dial("udp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		return err
	}
	defer conn.Close()
	for session := 0; session == 0 || time.Now().Before(until); session++ {
		for k := range 3 {
			request, err := accountingRequest(client, session, k)
			if err != nil {
				return err
			}
			if err := exchange(ctx, conn, request); err != nil {
				return err
			}
			merged.Add(1)
		}
	}
	return nil
}

func accountingRequest(client, session, k int) ([]byte, error) {
	took := time.Duration(k) * 5 * time.Minute
	a := radius.Accounting{
		StatusType: []string{radius.Start, radius.InterimUpdate, radius.Stop}[k], SessionID: fmt.Sprintf("%04x%08x", client, session),
		Username: fmt.Sprintf("user%d", (client*1000+session)%5000), NASIPAddress: netip.MustParseAddr("192.0.2.1"),
		NASIdentifier: fmt.Sprintf("gw%d", client), NASPortType: "Wireless-802.11", CalledStation: "02-00-5E-00-00-01:guests",
		CallingStation:  fmt.Sprintf("02-00-5E-%02X-%02X-%02X", client&255, session>>8&255, session&255),
		FramedIPAddress: netip.MustParseAddr("10.0.0.7"), SessionTime: &took,
		InputOctets: uint64(k) * 1_000_000, OutputOctets: uint64(k) * 9_000_000,
	}
	return a.Encode(byte(session*3+k), peerSecret)
}

// exchange sends a request until it is answered.
func exchange(ctx context.Context, conn net.Conn, out []byte) error {
	var in [4096]byte
	for ctx.Err() == nil {
		if _, err := conn.Write(out); err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
			return err
		}
		if err := conn.SetReadDeadline(time.Now().Add(peerRetry)); err != nil {
			return err
		}
		n, err := conn.Read(in[:])
		switch {
		case errors.Is(err, syscall.ECONNREFUSED): // it is just starting
			time.Sleep(50 * time.Millisecond)
		case err == nil && radius.VerifyResponse(in[:n], out, peerSecret) == nil:
			return nil
		}
	}
	return ctx.Err()
}
