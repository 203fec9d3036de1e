package admin

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/user"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

type peerKey struct{}

// withPeer notes who is at the other end, as the kernel says (SO_PEERCRED).
func withPeer(ctx context.Context, c net.Conn) context.Context {
	cred, err := peerOf(c)
	if err != nil {
		return ctx // nobody: refused
	}
	return context.WithValue(ctx, peerKey{}, cred)
}

func peerOf(c net.Conn) (*unix.Ucred, error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.New("not a unix socket")
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return nil, err
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	return cred, errors.Join(err, credErr)
}

// onlyOperators keeps out whoever is neither root nor the daemon's own user nor in the group. The file's mode says the
// same; this holds also where somebody loosened it.
func onlyOperators(group int, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cred, ok := r.Context().Value(peerKey{}).(*unix.Ucred)
		if !ok || !mayOperate(cred, group) {
			writeError(w, &Error{Code: CodeForbidden, Message: "only root and members of the control group may do this"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func mayOperate(cred *unix.Ucred, group int) bool {
	if cred.Uid == 0 || int(cred.Uid) == os.Geteuid() {
		return true
	}
	if group < 0 {
		return false
	}
	if int(cred.Gid) == group {
		return true
	}
	u, err := user.LookupId(strconv.FormatUint(uint64(cred.Uid), 10))
	if err != nil {
		return false
	}
	gids, err := u.GroupIds()
	return err == nil && slices.Contains(gids, strconv.Itoa(group))
}
