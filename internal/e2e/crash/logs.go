package crash

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// What a Go process says when it falls over its own code. A process that is
// started again at once, or that goes on, as after the panic of a handler that
// net/http survives, may hide it from everything else.
var lastCries = []string{"panic:", "panic serving", "fatal error:", "DATA RACE"}

// searchLogs finds these in the logs of all processes.
func searchLogs(dir string) []string {
	files, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil || len(files) == 0 {
		return []string{fmt.Sprintf("no logs are in %s: %v", dir, err)}
	}
	var found []string
	for _, path := range files {
		lines, err := searchLog(path)
		if err != nil {
			lines = append(lines, err.Error())
		}
		for _, say := range lines {
			found = append(found, filepath.Base(path)+": "+say)
		}
	}
	return found
}

func searchLog(path string) (found []string, err error) {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in := bufio.NewReader(f)
	for n := 1; ; n++ {
		line, err := in.ReadString('\n')
		for _, cry := range lastCries {
			if strings.Contains(line, cry) {
				found = append(found, fmt.Sprintf("line %d: %.300s", n, strings.TrimSpace(line)))
				break
			}
		}
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return found, err
		}
	}
}
