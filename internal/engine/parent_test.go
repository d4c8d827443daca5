package engine

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// parentVariable makes the test binary a process that starts children and waits
// to be killed.
const parentVariable = "WAYBILL_ENGINE_TEST_PARENT"

func parentMain() {
	dir := os.Getenv(parentVariable)
	if dir == "" {
		return
	}
	p, err := StartPostgres(context.Background(), PostgresConfig{Dir: filepath.Join(dir, "postgres")})
	if err != nil {
		panic(err)
	}
	c, err := StartClickHouse(context.Background(), ClickHouseConfig{Dir: filepath.Join(dir, "clickhouse")})
	if err != nil {
		panic(err)
	}
	fmt.Println(p.DSN(), c.DSN())
	select {}
}

// TestKilledParentLeavesNoChild judges by the locks, which the children hold
// until they have gone, and by their sockets.
func TestKilledParentLeavesNoChild(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), parentVariable+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()

	for _, name := range []string{"postgres", "clickhouse"} {
		lock, err := LockDir(filepath.Join(dir, name))
		if err != nil {
			t.Fatalf("%s is still there: %v", name, err)
		}
		if err := lock.Release(); err != nil {
			t.Fatal(err)
		}
	}
	postgres, clickhouse, _ := strings.Cut(strings.TrimSpace(line), " ")
	if c, err := net.Dial("unix", filepath.Join(parse(t, postgres).Query().Get("host"), ".s.PGSQL.5432")); err == nil {
		_ = c.Close()
		t.Error("postgres still answers")
	}
	if c, err := net.Dial("tcp", parse(t, clickhouse).Host); err == nil {
		_ = c.Close()
		t.Error("clickhouse still answers")
	}
	restart(t, dir)
}

// restart opens what a killed parent's children left.
func restart(t *testing.T, dir string) {
	t.Helper()
	p, err := StartPostgres(t.Context(), PostgresConfig{Dir: filepath.Join(dir, "postgres")})
	if err != nil {
		t.Fatal(err)
	}
	c, err := StartClickHouse(t.Context(), ClickHouseConfig{Dir: filepath.Join(dir, "clickhouse")})
	if err != nil {
		t.Error(err)
	} else if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func parse(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
