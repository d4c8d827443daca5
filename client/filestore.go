package client

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// FileStore keeps the State in one file: it is written beside it, synced and
// renamed over it, so that a crash leaves the old file or the new one. Two
// processes must not share a file.
type FileStore struct{ path string }

// NewFileStore uses the file at path, which need not exist yet; its folder
// must.
func NewFileStore(path string) *FileStore { return &FileStore{path: path} }

// fileState is the file's form: JSON, so that a person can read it.
type fileState struct {
	Install  string `json:"install"` // 32 hex digits
	Count    uint64 `json:"count"`
	Sequence uint64 `json:"sequence"`
	Cursor   uint64 `json:"cursor"`
	Ticket   []byte `json:"ticket,omitempty"`

	User      string   `json:"user,omitempty"`
	Anonymous []byte   `json:"anonymous,omitempty"`
	Gates     []string `json:"gates,omitempty"`
}

// Load reads the file. A damaged file is an error: to begin again as a new
// install, delete it.
func (f *FileStore) Load() (State, error) {
	b, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return State{}, nil
	}
	if err != nil {
		return State{}, fmt.Errorf("read state: %w", err)
	}
	var v fileState
	if err := json.Unmarshal(b, &v); err != nil {
		return State{}, fmt.Errorf("parse state in %s (delete the file to begin as a new install): %w", f.path, err)
	}
	s := State{
		Count: v.Count, Sequence: v.Sequence, Cursor: v.Cursor, Ticket: v.Ticket,
		User: v.User, Anonymous: v.Anonymous, Gates: v.Gates,
	}
	install, err := hex.DecodeString(v.Install)
	if err != nil || len(install) != len(s.Install) {
		return State{}, fmt.Errorf("parse state in %s: install is %q, want 32 hex digits", f.path, v.Install)
	}
	s.Install = [16]byte(install)
	return s, nil
}

// Save replaces the file.
func (f *FileStore) Save(s State) error {
	b, err := json.Marshal(fileState{
		Install: hex.EncodeToString(s.Install[:]), Count: s.Count,
		Sequence: s.Sequence, Cursor: s.Cursor, Ticket: s.Ticket,
		User: s.User, Anonymous: s.Anonymous, Gates: s.Gates,
	})
	if err != nil {
		return fmt.Errorf("encode state: %w", err)
	}
	next := f.path + ".next"
	if err := writeSynced(next, b); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	if err := os.Rename(next, f.path); err != nil {
		return fmt.Errorf("replace state: %w", err)
	}
	return syncFolder(filepath.Dir(f.path))
}

func writeSynced(path string, b []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) // the ticket is a secret
	if err != nil {
		return err
	}
	_, err = file.Write(b)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// syncFolder makes a rename durable.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open folder of state: %w", err)
	}
	defer folder.Close()
	if err := folder.Sync(); err != nil {
		return fmt.Errorf("sync folder of state: %w", err)
	}
	return nil
}
