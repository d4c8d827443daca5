package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ErrVersion is in the error for a directory that another version wrote.
var ErrVersion = errors.New("written by another version")

// A marker is what an ENGINE file says: which engine wrote the directory, in
// which version. Versions that can read each other's data are one version.
type marker struct{ name, version string }

const markerName = "ENGINE"

func (m marker) String() string { return m.name + " " + m.version }

// readMarker returns false for a directory that no engine has written yet.
func readMarker(dir string) (marker, bool, error) {
	text, err := os.ReadFile(filepath.Join(dir, markerName))
	if errors.Is(err, os.ErrNotExist) {
		return marker{}, false, nil
	}
	if err != nil {
		return marker{}, false, fmt.Errorf("read engine version: %w", err)
	}
	name, version, ok := strings.Cut(strings.TrimSpace(string(text)), " ")
	if !ok {
		return marker{}, false, fmt.Errorf("read engine version: %s holds %q, not a name and a version", filepath.Join(dir, markerName), text)
	}
	return marker{name, version}, true, nil
}

// claim writes m into a new directory and refuses one of another engine or
// version. advice says what else can be done about it.
func (m marker) claim(dir, advice string) error {
	found, ok, err := readMarker(dir)
	if err != nil {
		return err
	}
	if !ok {
		return m.write(dir)
	}
	if found != m {
		return fmt.Errorf("%s was %w: %s, this is %s; %s, or move the directory away to start afresh", dir, ErrVersion, found, m, advice)
	}
	return nil
}

func (m marker) write(dir string) error {
	path := filepath.Join(dir, markerName)
	if err := os.WriteFile(path+".new", []byte(m.String()+"\n"), 0o644); err != nil {
		return fmt.Errorf("write engine version: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write engine version: %w", err)
	}
	return nil
}
