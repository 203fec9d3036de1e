package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// maxFile is the largest certificate or key file that is read, in octets.
const maxFile = 256 << 10

// ErrNone says that a source has no certificate yet. It is not a fault.
var ErrNone = errors.New("there is no certificate yet")

// Source is where the portal's certificate comes from.
type Source interface {
	// Load returns the certificate as it is now, the leaf first and parsed, or why there is none. It returns the same pointer
	// for as long as nothing changed. It is called every few seconds.
	Load() (*tls.Certificate, error)
}

// Files is a Source: a certificate with its chain, and its key, in PEM. Files that change are read again.
type Files struct {
	Certificate, Key string // paths

	read [2]stamp
	last *tls.Certificate
	err  error
}

// stamp tells one content of a file from another.
type stamp struct {
	size     int64
	modified time.Time
	file     fs.FileInfo // os.SameFile
}

func (s stamp) same(t stamp) bool {
	return s.file != nil && t.file != nil && os.SameFile(s.file, t.file) && s.size == t.size && s.modified.Equal(t.modified)
}

// Load implements Source.
func (f *Files) Load() (*tls.Certificate, error) {
	var now [2]stamp
	for i, path := range []string{f.Certificate, f.Key} {
		info, err := os.Stat(path)
		if err != nil {
			f.read, f.last = [2]stamp{}, nil
			return nil, plain(err)
		}
		now[i] = stamp{info.Size(), info.ModTime(), info}
	}
	if now[0].same(f.read[0]) && now[1].same(f.read[1]) {
		return f.last, f.err
	}
	f.read = now
	f.last, f.err = f.parse(now[1].file.Mode())
	return f.last, f.err
}

func (f *Files) parse(keyMode fs.FileMode) (*tls.Certificate, error) {
	if keyMode.Perm()&0o007 != 0 {
		return nil, fmt.Errorf("%s can be read by everybody on this machine: chmod 0600 it", f.Key)
	}
	chain, err := readFile(f.Certificate)
	if err != nil {
		return nil, err
	}
	key, err := readFile(f.Key)
	if err != nil {
		return nil, err
	}
	c, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, fmt.Errorf("%s and %s: %w", f.Certificate, f.Key, err)
	}
	if c.Leaf == nil {
		if c.Leaf, err = x509.ParseCertificate(c.Certificate[0]); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Certificate, err)
		}
	}
	return &c, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, plain(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, plain(err)
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("%s is larger than 256 KiB", path)
	}
	return b, nil
}

// plain says what is wrong with a file without the name of the system call.
func plain(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("%s: %w", p.Path, p.Err)
	}
	return err
}
