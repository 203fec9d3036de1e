package oldkernel

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// wantedModules are what the lab and the firewall use where the kernel has it as modules, and what else the tests of this
// package ask for. Nothing is loaded by itself.
func wantedModules() []string {
	return strings.Fields(`
		bridge veth 8021q dummy ifb loop
		nf_tables nfnetlink nf_conntrack nf_conntrack_netlink nf_nat nft_chain_nat
		nft_ct nft_nat nft_redir nft_masq nft_reject_inet nft_limit nft_quota nft_objref nft_fib_inet nft_hash nft_numgen nft_log
		nft_flow_offload nf_flow_table_inet nft_fwd_netdev nft_dup_netdev nft_meta_bridge nft_tproxy nft_socket nft_compat
		sch_htb sch_tbf sch_ingress sch_fq_codel act_mirred cls_u32
		ip_set ip_set_hash_mac ip_set_hash_ipmark ip_set_hash_ip ip_set_hash_net xt_set xt_mark xt_connmark xt_conntrack xt_mac xt_REDIRECT xt_MASQUERADE
		xt_comment xt_multiport xt_addrtype xt_limit xt_nat ipt_rpfilter ip6t_rpfilter xt_tcpudp ipt_REJECT ip6t_REJECT
		iptable_filter iptable_nat iptable_mangle ip6table_filter ip6table_nat ip6table_mangle`)
}

// modules returns the files of the wanted modules of an unpacked kernel package, with those that they depend on, in the order
// in which they can be loaded.
func modules(kernel string, wanted []string) ([]string, error) {
	files := map[string]string{} // by name
	err := filepath.WalkDir(filepath.Join(kernel, "lib", "modules"), func(path string, _ fs.DirEntry, err error) error {
		if name, ok := strings.CutSuffix(filepath.Base(path), ".ko"); ok {
			files[moduleName(name)] = path
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("looking for kernel modules: %w", err)
	}
	var order []string
	seen := map[string]bool{}
	var visit func(name string) error
	visit = func(name string) error {
		path, ok := files[name]
		if seen[name] || !ok { // built into the kernel, or not in it at all: the tests tell
			return nil
		}
		seen[name] = true
		needed, err := dependencies(path)
		if err != nil {
			return err
		}
		for _, n := range needed {
			if err := visit(n); err != nil {
				return err
			}
		}
		order = append(order, path)
		return nil
	}
	for _, name := range wanted {
		if err := visit(name); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// moduleName is the name as the kernel has it: in names of files a dash may stand for an underscore.
func moduleName(name string) string { return strings.ReplaceAll(name, "-", "_") }

// dependencies reads which modules must be loaded before this one.
func dependencies(path string) ([]string, error) {
	file, err := elf.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading kernel module: %w", err)
	}
	defer func() { _ = file.Close() }()
	section := file.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("reading kernel module %s: it has no .modinfo", path)
	}
	info, err := section.Data()
	if err != nil {
		return nil, fmt.Errorf("reading kernel module %s: %w", path, err)
	}
	for entry := range bytes.SplitSeq(info, []byte{0}) {
		if list, ok := bytes.CutPrefix(entry, []byte("depends=")); ok && len(list) > 0 {
			names := strings.Split(string(list), ",")
			for i := range names {
				names[i] = moduleName(names[i])
			}
			return names, nil
		}
	}
	return nil, nil
}
