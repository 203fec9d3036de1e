package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
)

// program is one program, and what of the Makefile builds it.
type program struct{ name, rule string }

var programs = []program{{"gatehouse", "gateway"}, {"gatehouse-central", "central"}}

// target is one architecture in the words of Debian, nfpm and Go.
type target struct{ debian, nfpm, goarch, goarm string }

var targets = []target{
	{"amd64", "amd64", "amd64", ""},
	{"arm64", "arm64", "arm64", ""},
	{"armhf", "arm7", "arm", "7"},
}

type packer struct {
	version    string
	built      time.Time
	out        string
	maintainer string
}

func main() {
	var p packer
	var built, archs string
	flag.StringVar(&p.version, "version", "0.0.0", "`version` of the packages, as Debian orders versions")
	flag.StringVar(&built, "built", "", "`time` of the commit, RFC 3339; empty: the start of 2026")
	flag.StringVar(&p.out, "out", "dist", "`folder` for the packages")
	flag.StringVar(&archs, "arch", "amd64,arm64,armhf", "Debian `names` of the architectures")
	flag.StringVar(&p.maintainer, "maintainer", "gatehouse maintainers <maintainers@gatehouse.invalid>", "the packages' `Maintainer`")
	flag.Parse()
	var err error
	if p.built, err = time.Parse(time.RFC3339, cmp.Or(built, "2026-01-01T00:00:00Z")); err == nil {
		err = p.run(strings.Split(archs, ","))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func (p packer) run(archs []string) error {
	for _, arch := range archs {
		i := slices.IndexFunc(targets, func(t target) bool { return t.debian == arch })
		if i < 0 {
			return fmt.Errorf("no such architecture here: %q", arch)
		}
		bin := filepath.Join(p.out, "bin", arch)
		if err := os.MkdirAll(bin, 0o755); err != nil {
			return err
		}
		for _, prog := range programs {
			if err := p.build(prog, targets[i], bin); err != nil {
				return fmt.Errorf("building %s for %s: %w", prog.name, arch, err)
			}
			if err := p.pack(prog, targets[i], bin); err != nil {
				return fmt.Errorf("packing %s for %s: %w", prog.name, arch, err)
			}
		}
	}
	return nil
}

// build makes a static program in the folder bin.
func (p packer) build(prog program, t target, bin string) error {
	out, err := filepath.Abs(bin)
	if err != nil {
		return err
	}
	cmd := exec.Command("make", "-s", prog.rule, "BIN="+out, "VERSION="+p.version, "BUILT="+p.built.Format(time.RFC3339))
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+t.goarch, "GOARM="+t.goarm, "MAKEFLAGS=")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

// pack writes the package of one program and prints its name.
func (p packer) pack(prog program, t target, bin string) error {
	values := map[string]string{"ARCH": t.nfpm, "VERSION": p.version, "BIN": bin, "MAINTAINER": p.maintainer}
	config, err := nfpm.ParseFileWithEnvMapping("packaging/deb/"+prog.name+".yaml", func(name string) string { return values[name] })
	if err != nil {
		return err
	}
	info, err := config.Get("deb")
	if err != nil {
		return err
	}
	info.MTime = p.built
	for _, c := range info.Contents { // sources carry the time of a checkout
		if c.FileInfo != nil {
			c.FileInfo.MTime = p.built
		}
	}
	info = nfpm.WithDefaults(info)
	name := filepath.Join(p.out, fmt.Sprintf("%s_%s_%s.deb", prog.name, p.version, t.debian))
	info.Target = name
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := deb.Default.Package(info, f); err != nil {
		return err
	}
	fmt.Println(name)
	return f.Close()
}
