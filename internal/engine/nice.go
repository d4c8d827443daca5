package engine

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// behind is how far the embedded ClickHouse stands behind the process that
// started it, as a nice value: they share the cores, and a push that waits for a
// merge is worse than a page that is a little older.
const behind = 5

// standBehind lowers the priority of this process: of each of its threads, from
// which those that begin later inherit it.
func standBehind() error {
	for known := 0; ; {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil || len(threads) == known {
			return err
		}
		known = len(threads)
		for _, t := range threads {
			id, err := strconv.Atoi(t.Name())
			if err != nil {
				return err
			}
			if err := unix.Setpriority(unix.PRIO_PROCESS, id, behind); err != nil && err != unix.ESRCH {
				return err
			}
		}
	}
}
