package crash

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"waybill/internal/engine"
)

// checkLeftovers says which processes of a run are still there: those that name
// its directory or its binary in their command line, and Postgres, which names
// neither and holds its directory's lock.
func checkLeftovers(cfg Config) error {
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return err
	}
	own := fmt.Sprint(os.Getpid())
	for _, path := range lines {
		b, readErr := os.ReadFile(path)
		args := strings.Split(string(b), "\x00")
		pid := filepath.Base(filepath.Dir(path))
		if readErr != nil || pid == own || !slices.ContainsFunc(args, func(s string) bool { return strings.Contains(s, cfg.Dir) || s == cfg.Binary }) {
			continue // or it has ended meanwhile
		}
		err = errors.Join(err, fmt.Errorf("process %s is left: %.200s", pid, strings.Join(args, " ")))
	}
	if _, statErr := os.Stat(filepath.Join(cfg.Dir, "postgres")); statErr == nil {
		lock, lockErr := engine.LockDir(filepath.Join(cfg.Dir, "postgres"))
		if lockErr != nil {
			return errors.Join(err, lockErr)
		}
		err = errors.Join(err, lock.Release())
	}
	return err
}
