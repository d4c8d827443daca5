package engine

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"
)

// A pgServer is a Postgres on this machine: the folder of its programs and its
// major version.
type pgServer struct {
	bin   string
	major int
}

// oldestMajor is the oldest Postgres that the migrations are tested with.
const oldestMajor = 15

// findServer picks the server for the directory: the one that wrote it, else
// the newest one.
func findServer(ctx context.Context, cfg PostgresConfig) (pgServer, error) {
	wanted, err := writtenBy(cfg.Dir)
	if err != nil {
		return pgServer{}, err
	}
	if bin := os.Getenv("WAYBILL_PG_BIN"); bin != "" {
		s, err := serverAt(bin)
		if err == nil && s.major < oldestMajor {
			err = fmt.Errorf("it is version %d, %d or newer is needed", s.major, oldestMajor)
		}
		if err != nil {
			return pgServer{}, fmt.Errorf("WAYBILL_PG_BIN=%s: %w", bin, err)
		}
		return s, nil
	}
	installed := installedServers()
	for _, s := range installed {
		if wanted == 0 || wanted == s.major {
			return s, nil
		}
	}
	if wanted != 0 && wanted != pinnedPostgresMajor && len(installed) > 0 {
		return installed[0], nil // which createData refuses, and says why
	}
	return fetchedServer(ctx, cfg.Progress)
}

// writtenBy is the major version that wrote dir, 0 if it is new.
func writtenBy(dir string) (int, error) {
	m, ok, err := readMarker(dir)
	if err != nil || !ok {
		return 0, err
	}
	major, err := strconv.Atoi(m.version)
	if err != nil || m.name != "postgres" {
		return 0, fmt.Errorf("%s was %w: %s, this is postgres; choose another directory", dir, ErrVersion, m)
	}
	return major, nil
}

// installedServers lists what a package manager has put here, newest first.
func installedServers() []pgServer {
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if path, err := exec.LookPath("postgres"); err == nil {
		if resolved, err := filepath.EvalSymlinks(path); err == nil {
			bins = append(bins, filepath.Dir(resolved))
		}
	}
	var servers []pgServer
	for _, bin := range bins {
		if s, err := serverAt(bin); err == nil && s.major >= oldestMajor {
			servers = append(servers, s)
		}
	}
	slices.SortStableFunc(servers, func(a, b pgServer) int { return b.major - a.major })
	return servers
}

var majorPattern = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// serverAt asks the server in bin for its version. Both programs must be there:
// a package of clients has neither, some have one.
func serverAt(bin string) (pgServer, error) {
	if _, err := os.Stat(filepath.Join(bin, "initdb")); err != nil {
		return pgServer{}, err
	}
	out, err := exec.Command(filepath.Join(bin, "postgres"), "--version").Output()
	if err != nil {
		return pgServer{}, fmt.Errorf("ask postgres for its version: %w", err)
	}
	m := majorPattern.FindSubmatch(out)
	if m == nil {
		return pgServer{}, fmt.Errorf("ask postgres for its version: it says %q", out)
	}
	major, err := strconv.Atoi(string(m[1]))
	return pgServer{bin: bin, major: major}, err
}

// fetchedServer is the pinned one. A server's programs must lie where its user
// can walk to: unlike the data they are opened by name.
func fetchedServer(ctx context.Context, progress func(string)) (pgServer, error) {
	binaries, err := Fetch(ctx, progress)
	if err != nil {
		return pgServer{}, err
	}
	if binaries.Postgres == "" {
		return pgServer{}, fmt.Errorf("no Postgres is pinned for this platform; %s", ownPostgres)
	}
	if err := checkReachable(binaries.Postgres); err != nil {
		return pgServer{}, err
	}
	return serverAt(binaries.Postgres)
}

// checkReachable says which folder keeps the child's user from path.
func checkReachable(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	for dir := filepath.Dir(path); dir != "/" && dir != "."; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if info.Mode()&0o001 == 0 {
			return fmt.Errorf("postgres does not run as root, and user %d cannot enter %s (mode %04o); set WAYBILL_CACHE to a folder that everybody can enter",
				nobody, dir, info.Mode().Perm())
		}
	}
	return nil
}

// socketRoot is short and everybody can enter it: the path of a socket has at
// most 107 bytes, and TMPDIR may be deep or private.
const socketRoot = "/tmp"

// socketDir makes the folder for the server's socket. Its name follows from the
// data directory, so what a killed process left behind is used again.
func socketDir(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(abs))
	path := filepath.Join(socketRoot, fmt.Sprintf("waybill-pg-%x", sum[:8]))
	if err := ownedDir(path); err == nil || !errors.Is(err, fs.ErrExist) {
		return path, err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || !info.IsDir() || int(stat.Uid) != childUser() || info.Mode().Perm() != 0o700 {
		return "", fmt.Errorf("folder for the socket: %s is there, but is no private folder of user %d; remove it", path, childUser())
	}
	return path, nil
}

// ownPostgres says how to do without the pinned one.
const ownPostgres = "install Postgres 15 or newer, set WAYBILL_PG_BIN to the folder of its programs, or give the address of a running server"

// pinnedPostgresMajor is the major version of the package in npm/package.json.
const pinnedPostgresMajor = 18
