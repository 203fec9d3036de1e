package oldkernel

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

//go:embed init.sh
var initScript []byte

// initramfs writes the first file system: programs in /bin, their libraries where they are here, modules, suites.
func (m Machine) initramfs(ctx context.Context, w io.Writer, binaries []string) error {
	files := map[string]string{} // content by name
	var load strings.Builder
	order, err := modules(m.Kernel, wantedModules())
	if err != nil {
		return err
	}
	for _, path := range order {
		name := "modules/" + filepath.Base(path)
		files[name] = path
		fmt.Fprintln(&load, "/"+name)
	}
	for _, program := range m.Programs {
		if err := addProgram(ctx, files, program); err != nil {
			return err
		}
	}
	for i, suite := range m.Suites {
		files[suiteFolder(i)+"/suite.test"] = binaries[i]
		if err := addTestdata(files, suite.Dir, suiteFolder(i)); err != nil {
			return err
		}
	}
	extensions, err := filepath.Glob(iptablesExtensions)
	if err != nil {
		return fmt.Errorf("finding the extensions of iptables: %w", err)
	}
	for _, path := range extensions {
		files[strings.TrimPrefix(path, "/")] = path
	}
	a := tree{archive: archive{w: w}, folders: map[string]bool{}}
	for _, folder := range []string{"dev", "proc", "sys", "tmp", "run", "var/lib/misc", "sbin", "usr/sbin", "usr/bin"} {
		a.folder(folder)
	}
	for name, source := range files {
		content, err := os.ReadFile(source)
		if err != nil {
			return fmt.Errorf("filling the first file system: %w", err)
		}
		a.file(name, modeProgram, content)
	}
	a.file("init", modeProgram, initScript)
	a.file("modules/order", modeFile, []byte(load.String()))
	a.file("suites/run", modeProgram, []byte(m.script()))
	a.file("etc/passwd", modeFile, []byte("root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"))
	a.file("etc/group", modeFile, []byte("root:x:0:\nnogroup:x:65534:\n"))
	a.file("etc/resolv.conf", modeFile, nil)
	return a.close()
}

// iptablesExtensions are what iptables loads by itself.
const iptablesExtensions = "/usr/lib/*/xtables/*.so"

// tree is an archive that makes the folders of its files.
type tree struct {
	archive
	folders map[string]bool
}

func (t *tree) file(name string, mode int, content []byte) {
	t.folder(filepath.Dir(name))
	t.add(name, mode, content)
}

func (t *tree) folder(name string) {
	if name == "." || t.folders[name] {
		return
	}
	t.folder(filepath.Dir(name))
	t.folders[name] = true
	t.add(name, modeFolder, nil)
}

// library matches a path in what ldd says of a program.
var library = regexp.MustCompile(`(?m)(?:=> |^\t)(/\S+) \(0x`)

// addProgram adds a program as /bin/NAME, with its libraries.
func addProgram(ctx context.Context, files map[string]string, program string) error {
	path, err := exec.LookPath(program)
	if err != nil {
		return fmt.Errorf("finding program: %w", err)
	}
	files["bin/"+program] = path
	out, err := exec.CommandContext(ctx, "ldd", path).CombinedOutput()
	if err != nil && !strings.Contains(string(out), "not a dynamic executable") {
		return fmt.Errorf("finding the libraries of %s: %w\n%s", program, err, out)
	}
	for _, found := range library.FindAllStringSubmatch(string(out), -1) {
		files[strings.TrimPrefix(found[1], "/")] = found[1]
	}
	return nil
}

func addTestdata(files map[string]string, dir, target string) error {
	err := filepath.WalkDir(filepath.Join(dir, "testdata"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(dir, path)
		files[filepath.Join(target, relative)] = path
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("adding testdata: %w", err)
	}
	return nil
}
