package client

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"
)

// Config of a Client. Addresses, Token and Handler are required.
type Config struct {
	// Addresses are host:port of gates to begin with. Once logged in, the
	// client goes to its last gate first, then to those that it named, then
	// here.
	Addresses []string
	// Token fetches a fresh device token. It is called for each login, not for
	// a resume. An error counts as a failed try.
	Token func(ctx context.Context) (string, error)
	// Handler is called with each push, one at a time, in order, each once. Nil
	// acknowledges it; an error or a panic means that the application broke on
	// it: the connection is closed, and the push comes again on the next one.
	// ctx ends with Run. It may call Send, Request and Opened.
	Handler func(ctx context.Context, p Push) error
	// Store keeps the device's state. Default: a MemoryStore, with which every
	// start is a new install.
	Store Store

	// Platform, Version and Network are shown to support. Network is asked at
	// each login and heartbeat and must not block.
	Platform string
	Version  string
	Network  func() string

	// Window is the number of pushes that may be in flight, and that wait in
	// memory for the Handler. Default 32.
	Window int
	// MaxUplinks bounds the requests that are held until they are answered;
	// beyond it Send and Request wait. Default 256.
	MaxUplinks int
	// NoCompression neither offers nor uses zstd: it saves memory where
	// thousands of clients live in one process.
	NoCompression bool

	// BackoffBase and BackoffCap bound the wait before the nth try in a row: a
	// random time up to min(BackoffCap, BackoffBase·2ⁿ). Default 250 ms, 30 s.
	BackoffBase, BackoffCap time.Duration
	// AnswerTimeout is how long dialing, a login and a heartbeat may take, and
	// a write, before the connection counts as dead. Default 10 s.
	AnswerTimeout time.Duration

	// Dial opens a connection; TLS or a proxy goes here. Default: plain TCP.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// OnNotice is told what becomes of the connection. It is called by two
	// goroutines, must not block, and must not call the client.
	OnNotice func(Notice)
	// Log gets a line for each change of life cycle. Default: nothing.
	Log *slog.Logger
}

// Defaults, as docs/protocol.md §8 to §10 explains them.
const (
	defaultWindow        = 32
	defaultMaxUplinks    = 256
	defaultBackoffBase   = 250 * time.Millisecond
	defaultBackoffCap    = 30 * time.Second
	defaultAnswerTimeout = 10 * time.Second
	defaultMaxFrame      = 64 << 10 // until a Welcome says another
)

func (cfg Config) check() error {
	switch {
	case len(cfg.Addresses) == 0:
		return errors.New("config: Addresses is empty: name at least one gate")
	case cfg.Token == nil:
		return errors.New("config: Token is nil: a login needs a device token")
	case cfg.Handler == nil:
		return errors.New("config: Handler is nil: somebody must take the pushes")
	case cfg.Window < 0, cfg.MaxUplinks < 0, cfg.BackoffBase < 0, cfg.BackoffCap < 0, cfg.AnswerTimeout < 0:
		return errors.New("config: a bound is negative: use 0 for its default")
	}
	return nil
}

func (cfg Config) withDefaults() Config {
	if cfg.Store == nil {
		cfg.Store = &MemoryStore{}
	}
	if cfg.Network == nil {
		cfg.Network = func() string { return "" }
	}
	if cfg.Dial == nil {
		cfg.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", address)
		}
	}
	if cfg.OnNotice == nil {
		cfg.OnNotice = func(Notice) {}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.Window = either(cfg.Window, defaultWindow)
	cfg.MaxUplinks = either(cfg.MaxUplinks, defaultMaxUplinks)
	cfg.BackoffBase = either(cfg.BackoffBase, defaultBackoffBase)
	cfg.BackoffCap = either(cfg.BackoffCap, defaultBackoffCap)
	cfg.AnswerTimeout = either(cfg.AnswerTimeout, defaultAnswerTimeout)
	return cfg
}

// either is v, or the default d where v is not set.
func either[T int | time.Duration](v, d T) T {
	if v == 0 {
		return d
	}
	return v
}
