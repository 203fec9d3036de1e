package iptables

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/coreos/go-iptables/iptables"
)

// ErrNoPrograms says that iptables-legacy or ip6tables-legacy is not installed.
var ErrNoPrograms = errors.New("iptables-legacy is not installed")

const prefix = "gatehouse_"

// family is iptables or ip6tables.
type family struct {
	v6      bool
	tables  *iptables.IPTables
	program string
}

// jump leads from a chain of the kernel's into one of ours.
type jump struct {
	table, from, to string
	last            bool // not first
}

// jumps are in the order in which they close: what has no mark yet is refused.
func (f *family) jumps() []jump {
	all := []jump{
		{table: "filter", from: "FORWARD", to: chainForward},
		{table: "filter", from: "INPUT", to: chainInput},
		{table: "nat", from: "PREROUTING", to: chainRedirect},
		{table: "mangle", from: "FORWARD", to: chainBack},
		{table: "mangle", from: "PREROUTING", to: chainEnter},
	}
	if !f.v6 {
		// After everybody else's, so that a router that has an address to translate to keeps its way.
		all = append(all, jump{table: "nat", from: "POSTROUTING", to: chainLeave, last: true})
	}
	return all
}

func tableNames() []string { return []string{"filter", "nat", "mangle"} }

// findPrograms finds iptables and ip6tables, both of the legacy kind: by PATH, or else in a folder, if one is given.
func findPrograms(folder string) ([]*family, error) {
	var found []*family
	for _, v6 := range []bool{false, true} {
		name, proto := "iptables", iptables.ProtocolIPv4
		if v6 {
			name, proto = "ip6tables", iptables.ProtocolIPv6
		}
		f, err := findProgram(name, folder, proto)
		if err != nil {
			return nil, err
		}
		f.v6 = v6
		found = append(found, f)
	}
	return found, nil
}

func findProgram(name, folder string, proto iptables.Protocol) (*family, error) {
	programs := []string{name + "-legacy", name}
	if folder != "" {
		programs = append(programs, filepath.Join(folder, programs[0]), filepath.Join(folder, name))
	}
	for _, program := range programs {
		path, err := exec.LookPath(program)
		if err != nil {
			continue
		}
		version, err := exec.Command(path, "--version").Output()
		if err != nil || bytes.Contains(version, []byte("nf_tables")) {
			continue
		}
		tables, err := iptables.New(iptables.IPFamily(proto), iptables.Path(path))
		if err != nil {
			return nil, fmt.Errorf("asking %s for its version: %w", program, err)
		}
		return &family{tables: tables, program: path}, nil
	}
	return nil, fmt.Errorf("%w: there is no %s of the legacy kind", ErrNoPrograms, name)
}

// load gives chains their rules: text as iptables-restore reads it. Chains that it names are emptied first, others stay.
func (f *family) load(ctx context.Context, text string) error {
	if _, err := f.run(ctx, text, f.program+"-restore", "--noflush", "--wait"); err != nil {
		return fmt.Errorf("loading rules: %w", err)
	}
	return nil
}

// listing is what a family has: rules by table and chain.
type listing map[string]map[string][]listed

// listed is a rule, without the name of its chain.
type listed struct {
	text            string
	packets, octets uint64
}

var savedRule = regexp.MustCompile(`^\[(\d+):(\d+)\] -A (\S+) (.*)$`)

// list reads all tables.
func (f *family) list(ctx context.Context) (listing, error) {
	out, err := f.run(ctx, "", f.program+"-save", "-c")
	if err != nil {
		return nil, fmt.Errorf("listing rules: %w", err)
	}
	all := listing{}
	var chains map[string][]listed
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if table, ok := strings.CutPrefix(line, "*"); ok {
			chains = map[string][]listed{}
			all[table] = chains
		} else if chain, ok := strings.CutPrefix(line, ":"); ok {
			chain, _, _ = strings.Cut(chain, " ")
			chains[chain] = nil
		} else if m := savedRule.FindStringSubmatch(line); m != nil {
			r := listed{text: m[4]}
			r.packets, _ = strconv.ParseUint(m[1], 10, 64)
			r.octets, _ = strconv.ParseUint(m[2], 10, 64)
			chains[m[3]] = append(chains[m[3]], r)
		}
	}
	return all, nil
}

func (f *family) run(ctx context.Context, input, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin = strings.NewReader(input)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		first, _, _ := strings.Cut(strings.TrimSpace(complaint.String()), "\n")
		return "", fmt.Errorf("running %s: %w: %s", program, err, first)
	}
	return out.String(), nil
}

// place puts our jumps where they belong, the new before the old goes. There are those of the listing.
func (f *family) place(there listing) error {
	for _, j := range f.jumps() {
		at := there.positions(j)
		if len(at) == 1 && (j.last || at[0] == 1) {
			continue
		}
		var err error
		if j.last {
			err = f.tables.Append(j.table, j.from, "-j", j.to)
		} else {
			err = f.tables.Insert(j.table, j.from, 1, "-j", j.to)
		}
		for _, n := range slices.Backward(at) {
			if !j.last {
				n++
			}
			err = errors.Join(err, f.tables.DeleteById(j.table, j.from, n))
		}
		if err != nil {
			return fmt.Errorf("placing the rule that leads from %s of table %s to %s: %w", j.from, j.table, j.to, err)
		}
	}
	return nil
}

// positions are the numbers of the rules that are a jump, from 1.
func (l listing) positions(j jump) (at []int) {
	for n, rule := range l[j.table][j.from] {
		if rule.text == "-j "+j.to {
			at = append(at, n+1)
		}
	}
	return at
}

// remove takes away all chains of the listing that are ours, and the jumps to them, but for those to keep.
func (f *family) remove(there listing, keep func(chain string) bool) error {
	for _, table := range tableNames() {
		var gone []string
		for chain := range there[table] {
			if strings.HasPrefix(chain, prefix) && !keep(chain) {
				gone = append(gone, chain)
			}
		}
		for _, j := range f.jumps() {
			if j.table != table || !slices.Contains(gone, j.to) {
				continue
			}
			for range there.positions(j) {
				if err := f.tables.Delete(table, j.from, "-j", j.to); err != nil {
					return fmt.Errorf("removing the rule that leads to %s: %w", j.to, err)
				}
			}
		}
		for _, chain := range gone { // first empty them all: they lead to one another
			if err := f.tables.ClearChain(table, chain); err != nil {
				return fmt.Errorf("emptying chain %s: %w", chain, err)
			}
		}
		for _, chain := range gone {
			if err := f.tables.DeleteChain(table, chain); err != nil {
				return fmt.Errorf("removing chain %s: %w", chain, err)
			}
		}
	}
	return nil
}
