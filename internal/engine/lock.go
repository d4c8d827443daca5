package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrInUse is in the error of an opener that came second to a directory.
var ErrInUse = errors.New("already in use")

// Lock is the right to a directory. It ends with Release, or when the process
// that took it and every child that it was handed to have ended.
type Lock struct {
	file *os.File
	// inherited is true in a child, which is not the owner and leaves the
	// owner's id in the file.
	inherited bool
}

// LockDir creates dir if it does not exist and takes its lock. If a living
// process holds it, the error wraps ErrInUse and names that process. If only
// what a dead process left behind holds it, LockDir waits for its end, up to
// 15 s.
func LockDir(dir string) (*Lock, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	if err := acquire(file, dir); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	return &Lock{file: file}, nil
}

const (
	lockName = "LOCK"
	// remainsTimeout covers a Postgres that finishes a checkpoint, and one whose
	// backends notice that their postmaster was killed.
	remainsTimeout = 15 * time.Second
	remainsPoll    = 20 * time.Millisecond
)

// acquire takes the lock and writes this process's id into it. Whose id stands
// there and lives is the owner; the children that it left keep the lock a
// moment longer.
func acquire(file *os.File, dir string) error {
	giveUp := time.After(remainsTimeout)
	poll := time.NewTicker(remainsPoll)
	defer poll.Stop()
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return writeOwner(file, strconv.Itoa(os.Getpid()))
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		if owner := readOwner(file); isAlive(owner) {
			return fmt.Errorf("%s is %w by process %d; stop it, or choose another directory", dir, ErrInUse, owner)
		}
		select {
		case <-poll.C:
		case <-giveUp:
			return fmt.Errorf("%s is %w by what a process that has gone left running", dir, ErrInUse)
		}
	}
}

// Release gives the directory up. Children that hold the lock too keep it until
// they end.
func (l *Lock) Release() error {
	if l.inherited {
		return l.file.Close()
	}
	return errors.Join(writeOwner(l.file, ""), l.file.Close())
}

func writeOwner(file *os.File, owner string) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt([]byte(owner), 0)
	return err
}

func readOwner(file *os.File) int {
	buf := make([]byte, 20)
	n, _ := file.ReadAt(buf, 0)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(buf[:n])))
	return pid
}

// isAlive is false for a process that has ended and only waits to be reaped.
func isAlive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if pid <= 0 || err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}
