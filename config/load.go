package config

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// maxNamedFile is the largest terms or token file that is read, in octets.
const maxNamedFile = 64 << 10

// Load reads the configuration at path and the files named in it. An error is Problems, or says why path cannot be read.
func Load(path, hostname string) (*Config, error) { return LoadWith(path, hostname, nil) }

// LoadWith is Load with the centre's settings on top.
func LoadWith(path, hostname string, settings Settings) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	defer f.Close()
	c, err := ParseWith(f, hostname, settings)
	if err != nil {
		return nil, err
	}
	if c.TimeZone == nil {
		c.TimeZone = machineZone("/etc/TZ")
	}
	var problems Problems
	for i := range c.Zones {
		loadTerms(&c.Zones[i], &problems)
	}
	loadThemes(c, &problems)
	if c.Centre != nil {
		checkToken(c.Centre, &problems)
		c.Centre.CA = loadCA("centre.ca_file", c.Centre.CAFile, &problems)
	}
	c.Portal.CA = loadCA("portal.ca_file", c.Portal.CAFile, &problems)
	if len(problems) > 0 {
		return nil, problems
	}
	return c, nil
}

// machineZone is the machine's time zone. OpenWrt has its rule in a file of its own.
func machineZone(file string) *time.Location {
	text, _, err := readFile(file)
	if z, ok := posixZone(strings.TrimSpace(text)); err == nil && ok {
		return z
	}
	return time.Local
}

func loadTerms(z *Zone, problems *Problems) {
	if z.TermsFile == "" {
		return
	}
	key := "zone[" + z.Name + "].terms_file"
	text, _, err := readFile(z.TermsFile)
	if err != nil {
		problems.add(key, plain(err), "give the path of a text file")
		return
	}
	if z.Terms = strings.TrimSpace(text); z.Terms == "" {
		problems.add(key, z.TermsFile+" is empty", "write the terms into it")
		return
	}
	if z.TermsVersion == "" {
		z.TermsVersion = termsVersion(z.Terms)
	}
}

// checkToken looks at the token only: it is read anew for every use, so that a new one needs no restart.
func checkToken(c *Centre, problems *Problems) {
	text, mode, err := readFile(c.TokenFile)
	token := strings.TrimSpace(text)
	switch {
	case err != nil:
		problems.add("centre.token_file", plain(err), "write the token of this gateway into it")
	case mode.Perm()&0o007 != 0:
		problems.add("centre.token_file", c.TokenFile+" can be read by everybody on this machine", "chmod 0600 "+c.TokenFile)
	case token == "" || strings.ContainsAny(token, " \t\r\n"):
		problems.add("centre.token_file", c.TokenFile+" does not hold one token", "write into it what \"gatehouse-central token create --role edge\" printed, and nothing else")
	}
}

func loadCA(key, path string, problems *Problems) []byte {
	if path == "" {
		return nil
	}
	text, _, err := readFile(path)
	switch {
	case err != nil:
		problems.add(key, plain(err), "give the path of the CA's certificate in PEM form, or remove the key")
	case !x509.NewCertPool().AppendCertsFromPEM([]byte(text)):
		problems.add(key, path+" holds no certificate", "it must be in PEM form: -----BEGIN CERTIFICATE-----")
	}
	return []byte(text)
}

func readFile(path string) (string, fs.FileMode, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", 0, err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxNamedFile+1))
	if err == nil && len(b) > maxNamedFile {
		err = &fs.PathError{Op: "read", Path: path, Err: errors.New("larger than 64 KiB")}
	}
	return string(b), info.Mode(), err
}

// plain says what is wrong with a file without the name of the system call.
func plain(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Sprintf("%s: %v", p.Path, p.Err)
	}
	return err.Error()
}
