package packaging_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gatehouse/lab"
)

const (
	// envPackages names the folder with the packages under test; the process outside of the lab, which has a network to
	// fetch modules from, makes it for the one inside.
	envPackages = "GATEHOUSE_TEST_PACKAGES"
	version     = "1.2.3~test"
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if os.Getenv(envPackages) == "" {
		dir, err := os.MkdirTemp("", "gatehouse-packages-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		if err := makePackages(dir); err != nil {
			fmt.Fprintln(os.Stderr, "making the packages:", err)
			return 1
		}
		if err := os.Setenv(envPackages, dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return lab.Main(m.Run)
}

// makePackages runs tools/pack for this machine's architecture.
func makePackages(dir string) error {
	arch := map[string]string{"amd64": "amd64", "arm64": "arm64", "arm": "armhf"}[runtime.GOARCH]
	pack := filepath.Join(dir, "pack")
	for _, args := range [][]string{
		{"go", "-C", "tools", "build", "-o", pack, "./pack"},
		{pack, "-version", version, "-out", dir, "-arch", arch},
	} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = ".."
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}

// machine is this Debian machine, copied on write: what is done to it is gone with the test.
type machine struct {
	t    *testing.T
	root string
}

func newMachine(t *testing.T) machine {
	t.Helper()
	base := t.TempDir()
	root := filepath.Join(base, "root")
	mount := func(source, target, fstype string, flags uintptr, data string) {
		t.Helper()
		if err := os.MkdirAll(target, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount(source, target, fstype, flags, data); err != nil {
			t.Fatalf("mounting %s on %s: %v", source, target, err)
		}
		t.Cleanup(func() {
			if err := unix.Unmount(target, unix.MNT_DETACH); err != nil {
				t.Errorf("unmounting %s: %v", target, err)
			}
		})
	}
	disk := filepath.Join(base, "disk")
	mount("none", disk, "tmpfs", 0, "")
	upper, work := filepath.Join(disk, "upper"), filepath.Join(disk, "work")
	if err := errors.Join(os.Mkdir(upper, 0o755), os.Mkdir(work, 0o755)); err != nil {
		t.Fatal(err)
	}
	mount("none", root, "overlay", 0, "lowerdir=/,upperdir="+upper+",workdir="+work)
	mount("/dev", filepath.Join(root, "dev"), "", unix.MS_BIND|unix.MS_REC, "")
	mount("proc", filepath.Join(root, "proc"), "proc", 0, "")
	mount("none", filepath.Join(root, "run"), "tmpfs", 0, "mode=755")
	mount(os.Getenv(envPackages), filepath.Join(root, "mnt"), "", unix.MS_BIND, "")
	return machine{t, root}
}

// try runs a command line on the machine and returns all it prints.
func (m machine) try(line string) (string, error) {
	cmd := exec.Command("chroot", m.root, "sh", "-c", line)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive"}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (m machine) run(line string) string {
	m.t.Helper()
	out, err := m.try(line)
	if err != nil {
		m.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return out
}

// want runs a command line that must succeed and print what is wanted.
func (m machine) want(line, want string) {
	m.t.Helper()
	if out := strings.TrimSpace(m.run(line)); out != want {
		m.t.Errorf("%s: %q, want %q", line, out, want)
	}
}

// verify has systemd find no fault with a unit of ours. It also tells of other packages' units.
func (m machine) verify(unit string) {
	m.t.Helper()
	for line := range strings.Lines(m.run("systemd-analyze verify " + unit)) {
		if strings.Contains(line, "gatehouse") {
			m.t.Errorf("%s: %s", unit, line)
		}
	}
}

// absent are paths that must not be there.
func (m machine) absent(paths ...string) {
	m.t.Helper()
	for _, p := range paths {
		if _, err := os.Lstat(filepath.Join(m.root, p)); !errors.Is(err, os.ErrNotExist) {
			m.t.Errorf("%s is still there (%v)", p, err)
		}
	}
}

// TestProgramSize tells when the router's program grows. The budgets of DESIGN §6 are those of routers' processors, which the
// bench looks at; the program of this machine's is a fifteenth larger.
func TestProgramSize(t *testing.T) {
	const budget, compressedBudget = 15_500_000, 6_000_000
	programs, err := filepath.Glob(filepath.Join(os.Getenv(envPackages), "bin", "*", "gatehouse"))
	if err != nil || len(programs) != 1 {
		t.Fatalf("the program under test: %v, %v", programs, err)
	}
	text, err := os.ReadFile(programs[0])
	if err != nil {
		t.Fatal(err)
	}
	var compressed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&compressed, gzip.BestCompression) // the level is valid
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes, %d compressed", len(text), compressed.Len())
	if len(text) > budget || compressed.Len() > compressedBudget {
		t.Errorf("gatehouse has %d bytes, %d compressed; the budget is %d and %d", len(text), compressed.Len(), budget, compressedBudget)
	}
}

func TestGatewayPackage(t *testing.T) {
	lab.RequireLoop(t) // it needs root as this test does: a package's files have many owners
	m := newMachine(t)
	m.run("dpkg -i /mnt/gatehouse_" + version + "_*.deb")
	if out := m.run("gatehouse version"); !strings.Contains(out, version) {
		t.Errorf("gatehouse version: %q", out)
	}
	m.want("stat -c '%U %G %a' /etc/gatehouse /etc/gatehouse/gatehouse.toml", "root gatehouse 750\nroot gatehouse 640")
	if out, err := m.try("gatehouse check --config /etc/gatehouse/gatehouse.toml"); err == nil || !strings.Contains(out, "zone") {
		t.Errorf("the configuration as shipped passes the check: %q", out)
	}
	m.verify("gatehouse.service")
	m.verify("gatehouse-dnsmasq.path")
	m.verify("gatehouse-dnsmasq.service")
	m.run("systemd-analyze security --offline=true --threshold=25 /usr/lib/systemd/system/gatehouse.service")
	m.absent("/etc/systemd/system/multi-user.target.wants/gatehouse.service") // it waits for its configuration

	m.run("sed -i 's/^#\\([a-z[]\\)/\\1/; s/^state_dir.*//' /etc/gatehouse/gatehouse.toml")
	m.run("dpkg -i /mnt/gatehouse_" + version + "_*.deb")
	m.run("grep '^nas_ip' /etc/gatehouse/gatehouse.toml && gatehouse check --config /etc/gatehouse/gatehouse.toml")

	m.run("ip link add br-guest type bridge && ip address add 192.0.2.1/24 dev br-guest && ip link set br-guest up")
	stop := m.start("gatehouse.service", "gatehouse run --config /etc/gatehouse/gatehouse.toml")
	m.run("gatehouse status --json")
	stop()
	m.run("nft list table inet gatehouse") // the zone stays closed

	m.run("dpkg -r gatehouse")
	m.absent("/usr/sbin/gatehouse", "/usr/lib/systemd/system/gatehouse.service")
	m.want("nft list tables", "")
	m.run("grep '^nas_ip' /etc/gatehouse/gatehouse.toml && test -s /var/lib/gatehouse/journal.db")
	m.run("dpkg -P gatehouse")
	m.absent("/etc/gatehouse", "/var/lib/gatehouse", "/usr/share/doc/gatehouse")
}

func TestCentrePackage(t *testing.T) {
	lab.RequireLoop(t)
	m := newMachine(t)
	m.run("dpkg -i /mnt/gatehouse-central_" + version + "_*.deb")
	m.verify("gatehouse-central.service")
	m.run("systemd-analyze security --offline=true --threshold=20 /usr/lib/systemd/system/gatehouse-central.service")

	const defaults = ". /etc/default/gatehouse-central && "
	stop := m.start("gatehouse-central.service",
		defaults+`gatehouse-central migrate --database "$DATABASE" && exec gatehouse-central serve --database "$DATABASE" --listen "$LISTEN" $OPTIONS`)
	m.want(defaults+`gatehouse-central org create --database "$DATABASE" --short-name acme --name Acme`, "1")
	stop()
	m.want("stat -c %U /var/lib/gatehouse-central/*", strings.TrimSpace(strings.Repeat("gatehouse-central\n",
		strings.Count(m.run("ls /var/lib/gatehouse-central"), "\n"))))

	m.run("dpkg -r gatehouse-central")
	m.absent("/usr/bin/gatehouse-central", "/usr/lib/systemd/system/gatehouse-central.service")
	m.run("test -s /var/lib/gatehouse-central/central.db")
	m.run("dpkg -P gatehouse-central")
	m.absent("/etc/default/gatehouse-central", "/var/lib/gatehouse-central")
}
