package client

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestStores is what every Store must do.
func TestStores(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	for name, open := range map[string]func() Store{
		"memory": func() func() Store { m := &MemoryStore{}; return func() Store { return m } }(),
		"file":   func() Store { return NewFileStore(path) },
	} {
		t.Run(name, func(t *testing.T) {
			got, err := open().Load()
			if err != nil || !cmp.Equal(got, State{}) {
				t.Fatalf("empty store holds %+v, %v", got, err)
			}
			for _, want := range []State{
				{Install: [16]byte{1, 2}, Count: 3, Sequence: 1<<64 - 1, Cursor: 1<<48 | 7, Ticket: []byte{0, 255}},
				{Install: [16]byte{1, 2}, User: "freight/ann", Anonymous: []byte{1}, Gates: []string{"a:1", "b:1"}},
				{Install: [16]byte{1, 2}, Count: 4},
			} {
				if err := open().Save(want); err != nil {
					t.Fatal(err)
				}
				got, err := open().Load()
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("state differs (-saved +loaded):\n%s", d)
				}
			}
		})
	}
}

func TestDamagedFile(t *testing.T) {
	for name, content := range map[string]string{
		"cut off":       `{"install":"00`,
		"empty":         ``,
		"short install": `{"install":"0011"}`,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.json")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if s, err := NewFileStore(path).Load(); err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("loaded %+v, %v, want an error that names the file", s, err)
			}
		})
	}
}

func TestCrashWhileSaving(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	store := NewFileStore(path)
	want := State{Install: [16]byte{1}, Cursor: 5}
	if err := store.Save(want); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".next", []byte(`{"inst`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := store.Load(); err != nil || !cmp.Equal(got, want) {
		t.Errorf("loaded %+v, %v, want the state before", got, err)
	}
	want.Cursor = 6
	if err := store.Save(want); err != nil {
		t.Fatal(err)
	}
	if got, err := store.Load(); err != nil || !cmp.Equal(got, want) {
		t.Errorf("loaded %+v, %v", got, err)
	}
}

func TestFileStoreWithoutItsFolder(t *testing.T) {
	if err := NewFileStore(filepath.Join(t.TempDir(), "no", "state")).Save(State{}); err == nil {
		t.Error("a state was saved nowhere")
	}
}

// brokenStore fails from a number of saves on.
type brokenStore struct {
	MemoryStore
	left int
}

var errDisk = errors.New("disk is full")

func (b *brokenStore) Save(s State) error {
	if b.left--; b.left < 0 {
		return errDisk
	}
	return b.MemoryStore.Save(s)
}

type unreadableStore struct{ MemoryStore }

func (*unreadableStore) Load() (State, error) { return State{}, errDisk }

func TestStateThatCannotBeKept(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(func(cfg *Config) { cfg.Store = &unreadableStore{} })
		<-d.done
		wantStoreError(t, d)

		d = g.start(func(cfg *Config) { cfg.Store = &brokenStore{left: 0} })
		g.accept().gone() // nothing is sent before the count is stored
		<-d.done
		wantStoreError(t, d)

		d = g.start(func(cfg *Config) { cfg.Store = &brokenStore{left: 2} })
		c, _ := g.login()
		c.push(1, 0)
		for f := range c.frames { // nothing is acknowledged before the cursor is stored
			t.Errorf("device sent %v", f.Header)
		}
		<-d.done
		wantStoreError(t, d)
	})
}

func wantStoreError(t *testing.T, d *device) {
	t.Helper()
	var se *StoreError
	if !errors.As(d.err, &se) || !errors.Is(d.err, errDisk) {
		t.Errorf("Run ended with %v, want a StoreError", d.err)
	}
}

func TestRunAgain(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(nil)
		c, _ := g.login()
		if err := d.Run(context.Background()); !errors.Is(err, ErrRunning) {
			t.Errorf("a second Run returned %v", err)
		}
		c.push(1, 0)
		c.wantAck(1, 0)
		d.end()
		d.run()
		c, hello := g.login()
		if hello.Cursor != 1 || hello.Count != 2 {
			t.Errorf("hello is %v", hello)
		}
		c.push(1, 0)
		c.wantAck(1, 0)
		d.wantHandled(1)
		if len(d.handled) != 0 {
			t.Error("the push was handled again")
		}
		d.end()
	})
}

func TestTokenThatCannotBeFetched(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		fail := true
		d := g.start(func(cfg *Config) {
			cfg.Token = func(context.Context) (string, error) {
				if fail {
					fail = false
					return "", errDisk
				}
				return "fresh", nil
			}
		})
		if n := d.wantNotice(Disconnected); !errors.Is(n.Err, errDisk) {
			t.Errorf("disconnected because of %v", n.Err)
		}
		if _, _, credential := g.accept().first(); credential != "token fresh" {
			t.Errorf("logged in with %q", credential)
		}
		d.end()
	})
}

func TestConfigSaysWhatIsMissing(t *testing.T) {
	ok := Config{
		Addresses: []string{"a:1"},
		Token:     func(context.Context) (string, error) { return "", nil },
		Handler:   func(context.Context, Push) error { return nil },
	}
	for want, change := range map[string]func(*Config){
		"":          func(*Config) {},
		"Addresses": func(c *Config) { c.Addresses = nil },
		"Token":     func(c *Config) { c.Token = nil },
		"Handler":   func(c *Config) { c.Handler = nil },
		"negative":  func(c *Config) { c.Window = -1 },
	} {
		cfg := ok
		change(&cfg)
		_, err := New(cfg)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("New returned %v, want an error about %q", err, want)
		}
	}
}
