package localpg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
)

// account is the user that PostgreSQL runs as when this process is root, as which PostgreSQL refuses to run.
type account struct {
	name     string
	uid, gid uint32
}

// serverAccount is nil unless this process is root. A cluster that exists keeps its owner.
func serverAccount(data string) (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	info, err := os.Stat(data)
	if err == nil {
		owner := info.Sys().(*syscall.Stat_t)
		return &account{name: fmt.Sprintf("with uid %d", owner.Uid), uid: owner.Uid, gid: owner.Gid}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			return parseAccount(u)
		}
	}
	return nil, errors.New("PostgreSQL does not run as root, and this machine has neither a user postgres nor a user nobody")
}

func parseAccount(u *user.User) (*account, error) {
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &account{name: u.Username, uid: uint32(uid), gid: uint32(gid)}, nil
}

// own gives a file to the server's account.
func (s *Server) own(path string) error {
	if s.account == nil {
		return nil
	}
	return os.Chown(path, int(s.account.uid), int(s.account.gid))
}

// letIn makes Dir itself, which is ours, passable for the server's account. The directories above it are the user's
// and stay as they are; see childPath.
func (s *Server) letIn() error {
	if s.account == nil {
		return nil
	}
	info, err := os.Stat(s.dir)
	if err != nil {
		return err
	}
	return os.Chmod(s.dir, info.Mode().Perm()|0o011)
}

// childPath is the name under which the server finds a file of Dir.
//
// A checkout below /root, whose mode is 0700, can be entered by root only, so the server's account could not reach the
// absolute path. command hands Dir to every child as its file descriptor 3, and Linux resolves /proc/self/fd/3/… from
// there without asking for the directories above: data stays where the user asked for it and nobody's permissions are
// loosened. Every process of the cluster inherits the descriptor, so the name means the same in all of them.
func (s *Server) childPath(name string) string {
	if s.account != nil && runtime.GOOS == "linux" {
		return "/proc/self/fd/3/" + name
	}
	return filepath.Join(s.dir, name)
}

// command prepares a PostgreSQL program that runs as the server's account with dir, the locked Dir, as descriptor 3.
// Its environment is made here: the parent's may hold keys, and PG* variables that would change the server.
func (s *Server) command(dir *os.File, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=" + locale()}
	cmd.ExtraFiles = []*os.File{dir}
	cmd.SysProcAttr = dieWithParent()
	// A group of its own, so that a terminal's Ctrl-C reaches the parent only, which then stops the server in order.
	cmd.SysProcAttr.Setpgid = true
	if s.account != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: s.account.uid, Gid: s.account.gid}
	}
	return cmd
}

// explain adds to a failed exec what the kernel's "permission denied" leaves out.
func (s *Server) explain(err error) error {
	if s.account != nil && errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w (PostgreSQL does not run as root; user %s must be able to reach %s)", err, s.account.name, s.bin)
	}
	return err
}

// locale sorts by code point and knows UTF-8. macOS has C.UTF-8 only in its newest versions.
func locale() string {
	if runtime.GOOS == "darwin" {
		return "C"
	}
	return "C.UTF-8"
}
