package dnsmasq

import (
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestWrite: the files say what they are to say, dnsmasq's own user can read them whatever our umask is, and they are left alone
// where nothing is new. (That dnsmasq does as they say is tested in cmd/gatehouse.)
func TestWrite(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	f := Files{Dir: filepath.Join(t.TempDir(), "dnsmasq"), Interfaces: []string{"br-guest", "br-pool"},
		Hosts: []Host{{Name: "wifi.example.com", Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}}}}
	const hosts = "192.0.2.1 wifi.example.com\n2001:db8::1 wifi.example.com\n"
	const options = "tag:br-guest,114,https://wifi.example.com/api\ntag:br-guest,option6:103,https://wifi.example.com/api\n" +
		"tag:br-pool,114,https://wifi.example.com/api\ntag:br-pool,option6:103,https://wifi.example.com/api\n"
	for _, step := range []struct {
		api     string
		changed bool
		options string
	}{{"", true, ""}, {"https://wifi.example.com/api", true, options}, {"https://wifi.example.com/api", false, options}, {"", true, ""}} {
		f.API = step.api
		if changed, err := f.Write(); err != nil || changed != step.changed {
			t.Errorf("with %q: changed %v, %v", step.api, changed, err)
		}
		for name, want := range map[string]string{HostsFile: hosts, OptionsFile: step.options} {
			text, err := os.ReadFile(filepath.Join(f.Dir, name))
			if d := cmp.Diff(header+want, string(text)); err != nil || d != "" {
				t.Errorf("%s with %q: %v (-want +got):\n%s", name, step.api, err, d)
			}
		}
	}
	for path, want := range map[string]os.FileMode{"": os.ModeDir | 0o755, HostsFile: 0o644, OptionsFile: 0o644} {
		if info, err := os.Stat(filepath.Join(f.Dir, path)); err != nil || info.Mode() != want {
			t.Errorf("%q: %v %v", path, info.Mode(), err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(f.Dir, ".*")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
