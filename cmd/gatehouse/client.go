package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"gatehouse/admin"
)

const defaultSocket = "/run/gatehouse/" + admin.SocketName

// clientFlags are the flags of a verb that talks to the daemon.
type clientFlags struct {
	socket string
	json   bool
}

func bindClient(f *flag.FlagSet) *clientFlags {
	c := &clientFlags{}
	f.StringVar(&c.socket, "socket", defaultSocket, "`path` of the daemon's control socket")
	bindJSON(f, &c.json)
	return c
}

func bindJSON(f *flag.FlagSet, to *bool) { f.BoolVar(to, "json", false, "print JSON instead of text") }

func (c *clientFlags) dial() *admin.Client { return admin.NewClient(c.socket) }

// explain adds to an unreachable daemon what to do about it.
func (c *clientFlags) explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w (%s): be root or a member of the control group", err, c.socket)
	case errors.Is(err, admin.ErrUnreachable):
		return fmt.Errorf("%w (%s): start it with \"systemctl start gatehouse\", \"service gatehouse start\" or \"gatehouse run --config FILE\", or name its socket with --socket", err, c.socket)
	default:
		return err
	}
}

// show prints v as JSON if asked, else as text makes it.
func (c *clientFlags) show(w io.Writer, v any, text func(io.Writer)) error {
	if c.json {
		return printJSON(w, v)
	}
	text(w)
	return nil
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// table prints rows in columns, the first row being the heads.
func table(w io.Writer, rows [][]string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	_ = t.Flush() // a reader that went away reads nothing
}

// plain keeps what others wrote from steering the operator's terminal.
func plain(text string) string {
	if text == "" {
		return "-"
	}
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.QuoteToGraphic(text)
	}
	return text
}

// span is a number of seconds for humans.
func span(seconds int64) string {
	d := time.Duration(seconds) * time.Second
	if d >= 24*time.Hour {
		return fmt.Sprintf("%dd%s", d/(24*time.Hour), hours(d%(24*time.Hour)))
	}
	return hours(d)
}

func hours(d time.Duration) string {
	s := d.String()
	if d >= time.Minute && strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if d >= time.Hour && strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// octets is a size for humans, in units of 1024.
func octets(n uint64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return strconv.FormatUint(n, 10) + " B"
	}
	f, unit := float64(n)/1024, 0
	for f >= 1024 {
		f, unit = f/1024, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", f, units[unit])
}

// directions are a session's octets as a guest speaks of them: down is what the gateway counts as Output.
func directions(s admin.Session) (down, up string) {
	return octets(s.OutputOctets), octets(s.InputOctets)
}
