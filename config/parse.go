package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	"github.com/BurntSushi/toml"

	"gatehouse/sessions"
)

// Defaults of what may be left out.
const (
	defaultStateDir        = "/var/lib/gatehouse"
	defaultRuntimeDir      = "/run/gatehouse"
	defaultControlGroup    = "gatehouse"
	defaultPersistInterval = time.Minute
	defaultHTTPPort        = 2080
	defaultHTTPSPort       = 2443
	defaultLeaseTime       = 12 * time.Hour
	defaultDNSPort         = 2053
	defaultDNSUpstream     = "127.0.0.1:53"
	defaultVerifierMaxAge  = 30 * 24 * time.Hour
)

// maxFile is the largest configuration that is read, in octets.
const maxFile = 1 << 20

// maxAttribute is the longest value of a RADIUS attribute (RFC 2865 §5), in octets.
const maxAttribute = 253

// Parse reads a configuration. hostname is the NAS-Identifier of a file that names none. Files that the configuration
// names are not read. An error is Problems, or what the reader returned.
func Parse(r io.Reader, hostname string) (*Config, error) { return ParseWith(r, hostname, nil) }

// ParseWith is Parse with the centre's settings on top.
func ParseWith(r io.Reader, hostname string, settings Settings) (*Config, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	if len(raw) > maxFile {
		return nil, Problems{{Wrong: "the file is larger than 1 MiB", Mend: "give the path of the TOML file"}}
	}
	var values map[string]any
	if _, err := toml.Decode(string(raw), &values); err != nil {
		return nil, Problems{syntax(err)}
	}
	var problems Problems
	lay(values, settings, &problems)
	c := parseConfig(&section{values: values, problems: &problems}, hostname)
	if len(problems) > 0 {
		return nil, problems
	}
	return c, nil
}

func syntax(err error) Problem {
	var p toml.ParseError
	if !errors.As(err, &p) {
		return Problem{Wrong: "not TOML: " + err.Error(), Mend: "see reference.toml"}
	}
	where := "line " + strconv.Itoa(p.Position.Line)
	mend := "mend that line; texts stand in quotes, tables in brackets"
	if p.LastKey != "" {
		mend += " (the last key understood was " + p.LastKey + ")"
	}
	return Problem{Key: where, Wrong: "not TOML: " + p.Message, Mend: mend}
}

func parseConfig(s *section, hostname string) *Config {
	c := &Config{
		NASID:           s.text("nas_id", hostname),
		NASIP:           parseNASIP(s),
		StateDir:        absolute(s, "state_dir", defaultStateDir),
		RuntimeDir:      absolute(s, "runtime_dir", defaultRuntimeDir),
		ControlGroup:    s.text("control_group", defaultControlGroup),
		PersistInterval: s.span("persist_interval", defaultPersistInterval, time.Second),
		LogLevel:        parseLevel(s),
		TimeZone:        parseTimeZone(s),
	}
	if c.NASID == "" {
		s.wrong("nas_id", "is empty", `give this gateway a name of its own, as in "lobby-1"`)
	}
	if len(c.NASID) > maxAttribute {
		s.wrong("nas_id", "is longer than 253 octets", "shorten it")
	}
	c.Firewall = parseFirewall(s)
	c.Portal = parsePortal(s)
	c.Portal.DNSMasqDir = cmp.Or(c.Portal.DNSMasqDir, filepath.Join(c.RuntimeDir, "dnsmasq"))
	c.DNS = parseDNS(s, &c.Portal)
	c.Centre = parseCentre(s)
	if c.Portal.FromCentre && c.Centre == nil {
		s.wrong("portal.certificate", "is to come from the centre, and there is none", "add [centre], or give the path of a certificate")
	}
	c.Zones = parseZones(s, c.Portal.HTTPS())
	checkProvers(c, s.problems)
	if c.Firewall == BackendIPTables {
		*s.problems = append(*s.problems, c.BeyondIPTables()...)
	}
	s.finish()
	return c
}

func parseNASIP(s *section) netip.Addr {
	const mend = `give an IPv4 address that no other gateway of this centre has, as in "192.0.2.1": accounting tells gateways apart by it`
	v := s.required("nas_ip", mend)
	if v == "" {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(v)
	if err != nil || !a.Is4() {
		s.wrong("nas_ip", strconv.Quote(v)+" is not an IPv4 address", mend)
	} else if a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() {
		s.wrong("nas_ip", v+" is every machine's", mend)
	}
	return a
}

func parseLevel(s *section) slog.Level {
	levels := map[string]slog.Level{"info": slog.LevelInfo, "debug": slog.LevelDebug, "warn": slog.LevelWarn, "error": slog.LevelError}
	return levels[s.oneOf("log_level", "info", "debug", "warn", "error")]
}

// absolute is a path that does not depend on where the daemon was started.
func absolute(s *section, name, absent string) string {
	return checkAbsolute(s, name, s.text(name, absent))
}

func checkAbsolute(s *section, name, v string) string {
	if v != "" && !filepath.IsAbs(v) {
		s.wrong(name, strconv.Quote(v)+" is not an absolute path", "begin it with /")
	}
	return v
}

func parseFirewall(root *section) Backend {
	s := root.table("firewall")
	if s == nil {
		return BackendAuto
	}
	defer s.finish()
	return Backend(s.oneOf("backend", string(BackendAuto), string(BackendNFTables), string(BackendIPTables)))
}

// BeyondIPTables is what the configuration asks for and the iptables backend does not have. Bandwidth is not in it: the
// shaper holds that with either backend, if the machine has what it needs.
func (c *Config) BeyondIPTables() (problems Problems) {
	const mend = `remove it, or use firewall.backend = "nftables" on a router that has nftables`
	for i := range c.Zones {
		z := &c.Zones[i]
		key := func(name string) string { return "zone[" + z.Name + "]." + name }
		if len(z.Garden) > 0 {
			problems.add(key("walled_garden"), "needs nftables: the iptables backend has no walled garden", mend)
		}
		if z.Offers(sessions.MethodOIDC) {
			problems.add(key("methods"), "oidc needs nftables: with iptables captive stations have no way out to sign in", mend)
		}
		if z.Limits.Caps != (sessions.CapsOf[sessions.VolumeLimit]{}) || z.Bounds.MaxCaps != (sessions.CapsOf[sessions.Volume]{}) {
			problems.add(key("caps"), "needs nftables: the iptables backend holds no data caps", mend)
		}
		if z.Trial != nil && z.Trial.Limits.Caps != (sessions.CapsOf[sessions.VolumeLimit]{}) {
			problems.add(key("trial.data"), "needs nftables: the iptables backend holds no data caps", mend)
		}
	}
	return problems
}

func parseDNS(root *section, portal *Portal) DNS {
	d := DNS{Port: defaultDNSPort, Upstream: netip.MustParseAddrPort(defaultDNSUpstream)}
	s := root.table("dns")
	if s == nil {
		return d
	}
	if n, ok := s.number("port", 1, 65535); ok {
		d.Port = uint16(n)
	}
	if d.Port == 53 || d.Port == portal.HTTPPort || d.Port == portal.HTTPSPort {
		s.wrong("port", strconv.Itoa(int(d.Port))+" has another use", "choose one that neither the router's resolver nor the portal has")
	}
	upstream := s.text("upstream", defaultDNSUpstream)
	if a, err := netip.ParseAddr(upstream); err == nil {
		upstream = netip.AddrPortFrom(a, 53).String()
	}
	var err error
	if d.Upstream, err = netip.ParseAddrPort(upstream); err != nil || d.Upstream.Port() == 0 {
		s.wrong("upstream", strconv.Quote(upstream)+" is not an address", `write the address of this router's own resolver, as in "127.0.0.1:53"`)
	}
	s.finish()
	return d
}

func parseCentre(root *section) *Centre {
	s := root.table("centre")
	if s == nil {
		return nil
	}
	allowed := s.boolean("allow_cleartext", false)
	c := &Centre{
		URL:            parseCentreURL(s, allowed),
		TokenFile:      absolute(s, "token_file", ""),
		CAFile:         absolute(s, "ca_file", ""),
		VerifierMaxAge: s.span("verifier_max_age", defaultVerifierMaxAge, time.Second),
	}
	if !s.has("token_file") {
		s.wrong("token_file", "is missing", "give the path of a file with the token that \"gatehouse-central token create --role edge\" printed")
	}
	s.finish()
	return c
}

func parseCentreURL(s *section, allowCleartext bool) *url.URL {
	const mend = `give the centre's address, as in "https://centre.example"`
	v := s.required("url", mend)
	if v == "" {
		return nil
	}
	u, err := url.Parse(v)
	switch {
	case err != nil || u.Hostname() == "" || (u.Scheme != "https" && u.Scheme != "http"):
		s.wrong("url", strconv.Quote(v)+" is not an http or https address", mend)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		s.wrong("url", "has more than host, port and path", mend+", and put the token into token_file")
	case u.Scheme == "http" && !allowCleartext && !loopback(u.Hostname()):
		s.wrong("url", "http:// would send guests' passwords and the token in clear text", "use https://, or say allow_cleartext = true if the way to the centre is protected otherwise")
	}
	return u
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}
