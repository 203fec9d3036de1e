package oldkernel

import (
	"fmt"
	"io"
)

// archive writes a cpio archive in the format newc, which the kernel unpacks as its first file system.
type archive struct {
	w      io.Writer
	offset int64
	inode  int
	err    error // of the first write that failed
}

const (
	modeFolder  = 0o040755
	modeFile    = 0o100644
	modeProgram = 0o100755
)

// add appends a file or folder; a folder has no content and must come before what is in it. The name has no leading slash.
func (a *archive) add(name string, mode int, content []byte) {
	a.inode++
	links := 1
	if mode == modeFolder {
		links = 2
	}
	// magic, inode, mode, uid, gid, links, mtime, size, device (2), special device (2), length of the name, checksum
	header := fmt.Sprintf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		a.inode, mode, 0, 0, links, 0, len(content), 0, 0, 0, 0, len(name)+1, 0)
	a.write([]byte(header + name + "\x00"))
	a.pad()
	a.write(content)
	a.pad()
}

// close ends the archive; the error is the first of all writes.
func (a *archive) close() error {
	a.add("TRAILER!!!", 0, nil)
	if a.err != nil {
		return fmt.Errorf("writing cpio archive: %w", a.err)
	}
	return nil
}

func (a *archive) pad() { a.write(make([]byte, -a.offset&3)) }

func (a *archive) write(b []byte) {
	if a.err != nil {
		return
	}
	var n int
	n, a.err = a.w.Write(b)
	a.offset += int64(n)
}
