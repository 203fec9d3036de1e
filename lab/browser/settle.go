package browser

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
)

// ownFiles runs a program that sees other files in the places of this machine's, as nothing else does.
const ownFiles = `set -e
while [ "$1" != -- ]; do mount --bind "$1" "$2"; shift 2; done
shift
exec "$@"`

// settle is the command that runs a browser which trusts and asks whom the options say; empty where they say nothing. The authority
// is made known as an administrator does it, by a policy: the certificates that it signs are checked like any other.
func settle(dir string, o Options) ([]string, error) {
	var in []string
	if o.Authority != "" {
		text, err := os.ReadFile(o.Authority)
		if err != nil {
			return nil, err
		}
		block, _ := pem.Decode(text)
		if block == nil {
			return nil, fmt.Errorf("%s has no certificate", o.Authority)
		}
		policy, err := json.Marshal(map[string][]string{"CACertificates": {base64.StdEncoding.EncodeToString(block.Bytes)}})
		if err != nil {
			return nil, err
		}
		managed := filepath.Join(dir, "chromium", "policies", "managed")
		if err := os.MkdirAll(managed, 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(managed, "lab.json"), policy, 0o644); err != nil {
			return nil, err
		}
		in = append(in, filepath.Join(dir, "chromium"), "/etc/chromium")
	}
	if o.Resolver != "" {
		file := filepath.Join(dir, "resolv.conf")
		if err := os.WriteFile(file, []byte("nameserver "+o.Resolver+"\n"), 0o644); err != nil {
			return nil, err
		}
		in = append(in, file, "/etc/resolv.conf")
	}
	if in == nil {
		return nil, nil
	}
	return append(append([]string{"unshare", "--mount", "sh", "-c", ownFiles, "sh"}, in...), "--"), nil
}
