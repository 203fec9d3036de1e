package packaging_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shims stand for OpenWrt's rc.common, UCI and procd: they read the options from the environment and print what procd is told.
const shims = `
config_load() { :; }
config_get() { eval "$1=\${uci_$3-${4-}}"; }
config_get_bool() { config_get "$@"; }
say() { local IFS=' '; echo "$*"; }
procd_open_instance() { say instance "$@"; }
procd_set_param() { say "$@"; }
procd_close_instance() { say end; }
procd_add_reload_trigger() { say trigger "$@"; }
. openwrt/files/etc/init.d/gatehouse
start_service
service_triggers
`

func TestInitScript(t *testing.T) {
	const respawns = `file /usr/sbin/gatehouse CONFIG
respawn 3600 2 0
term_timeout 30
limits nofile=4096 4096
stdout 1
stderr 1
`
	tests := map[string]struct {
		uci  []string
		want string
	}{
		"as shipped": {nil, "trigger gatehouse\n"},
		"disabled":   {[]string{"uci_enabled=0"}, "trigger gatehouse\n"},
		"enabled": {[]string{"uci_enabled=1"}, `instance gatehouse
command /usr/sbin/gatehouse run --config /etc/gatehouse/gatehouse.toml
` + strings.Replace(respawns, "CONFIG", "/etc/gatehouse/gatehouse.toml", 1) + "end\ntrigger gatehouse\n"},
		"all options": {[]string{"uci_enabled=1", "uci_config=/mnt/a b.toml", "uci_memlimit=32"}, `instance gatehouse
command /usr/sbin/gatehouse run --config /mnt/a b.toml
` + strings.Replace(respawns, "CONFIG", "/mnt/a b.toml", 1) + "env GOMEMLIMIT=32MiB\nend\ntrigger gatehouse\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("sh", "-eu", "-c", shims)
			cmd.Env = test.uci
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if diff := cmp.Diff(test.want, string(out)); diff != "" {
				t.Errorf("what procd is told (-want +got):\n%s", diff)
			}
		})
	}
}
