// Package program runs the real binary for tests: each subcommand a process,
// as an operator starts it.
//
//	Main ──▶ path ──▶ exec.Cmd ──Start──▶ Process ──AwaitOutput, Stop──▶ exit code
//
// A process ends with its test, and with the test binary, however that ends.
package program

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Root of the module.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := root()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// root is the first folder with a go.mod, from the test's package upwards.
func root() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(dir, "go.mod")); missing == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			err = errors.New("there is no go.mod above the working directory")
		}
		dir = filepath.Dir(dir)
	}
	return "", fmt.Errorf("find the module: %w", err)
}

// Read a file of the repository; the path is seen from its root.
func Read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(Root(t), path))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Main builds the binary, says where through path, runs the tests and returns
// their exit code. For a TestMain.
func Main(m *testing.M, path *string) int {
	dir, err := os.MkdirTemp("", "waybill-program-")
	if err == nil {
		defer os.RemoveAll(dir)
		*path, err = Build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// Build runs what `make build` would, but for where the binary goes: into dir.
// It returns the binary's path.
func Build(dir string) (string, error) {
	module, err := root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "waybill")
	const script = `set -o pipefail; make --no-print-directory -n build | sed "s|-o bin/waybill|-o '$0'|" | bash -e`
	cmd := exec.Command("bash", "-c", script, path)
	cmd.Dir = module
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build waybill: %w\n%s", err, out)
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("build waybill: `make build` builds another file than bin/waybill: %w", err)
	}
	return path, nil
}

// Ports are given to one test, on a loopback address that is its own: tests of
// other packages run beside it and look for free ports too.
type Ports struct {
	host  string // drawn when the first port is asked for
	given map[string]bool
}

// Free is an address that nobody listens on and that was not given before. Its
// port lies below those that the system gives to whoever does not care.
func (p *Ports) Free(t testing.TB) string {
	t.Helper()
	if p.given == nil {
		p.host = fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
		p.given = make(map[string]bool)
	}
	for range 1000 {
		address := fmt.Sprintf("%s:%d", p.host, 26000+rand.IntN(1000))
		if p.given[address] {
			continue
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		_ = l.Close()
		p.given[address] = true
		return address
	}
	t.Fatal("no free port from 26000 to 26999")
	return ""
}

// Engines are the addresses of embedded engines, each a process of its own.
type Engines struct{ Kafka, Postgres, ClickHouse string }

// StartEngines starts all three with their data in dir; they end with the test.
func StartEngines(t testing.TB, binary, dir string) Engines {
	t.Helper()
	var running []*Process
	for _, name := range []string{"kafka", "postgres", "clickhouse"} {
		running = append(running, Start(t, exec.Command(binary, "engine", name, "--dir", filepath.Join(dir, name))))
	}
	address := func(i int) string { return running[i].FirstLine(t) }
	return Engines{Kafka: address(0), Postgres: address(1), ClickHouse: address(2)}
}
