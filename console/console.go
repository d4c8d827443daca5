package console

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Config of a Console. ClickHouse is needed.
type Config struct {
	// ClickHouse is the DSN of the read models: http://user:password@host:port/db.
	ClickHouse string
	// Listen is the address of the API and the pages; they know no passwords, so
	// it is a private one. Default 127.0.0.1:0.
	Listen string
	// Logger gets a line for each change of state; nil discards them.
	Logger *slog.Logger
}

// Console serves the API and the pages.
type Console struct {
	cfg   Config
	store *store
	pages *template.Template
	now   func() time.Time

	ready chan struct{} // closed by Run when it listens
	addr  atomic.Value  // string

	away atomic.Bool // ClickHouse did not answer the last question
}

// New connects to nothing yet: ClickHouse may be away.
func New(cfg Config) (*Console, error) {
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	pages, err := parsePages()
	if err != nil {
		return nil, fmt.Errorf("new console: %w", err)
	}
	store, err := openStore(cfg.ClickHouse)
	if err != nil {
		return nil, fmt.Errorf("new console: %w", err)
	}
	return &Console{cfg: cfg, store: store, pages: pages, now: time.Now, ready: make(chan struct{})}, nil
}

// Ready is closed when the console listens.
func (c *Console) Ready() <-chan struct{} { return c.ready }

// Addr is host:port; empty before Ready.
func (c *Console) Addr() string {
	addr, _ := c.addr.Load().(string)
	return addr
}

// Times of the HTTP server. Answers are small; who reads one slower than this
// is gone.
const (
	headerTimeout = 5 * time.Second
	writeTimeout  = 30 * time.Second
	drainTimeout  = 5 * time.Second
)

// Run serves until ctx ends and lets running answers end. It runs once.
func (c *Console) Run(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.cfg.Listen)
	if err != nil {
		return errors.Join(fmt.Errorf("run console: %w", err), c.store.db.Close())
	}
	c.addr.Store(listener.Addr().String())
	close(c.ready)
	c.cfg.Logger.Info("console listens", "addr", c.Addr())
	server := &http.Server{Handler: c.Handler(), ReadHeaderTimeout: headerTimeout, WriteTimeout: writeTimeout}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
		defer cancel()
		stopped <- server.Shutdown(drain)
	})
	if err = server.Serve(listener); errors.Is(err, http.ErrServerClosed) {
		err = <-stopped
	} else {
		stop()
	}
	if err != nil {
		err = fmt.Errorf("run console: %w", err)
	}
	return errors.Join(err, c.store.db.Close())
}

// Handler serves the API under /v1 and the pages.
func (c *Console) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/traces/{id}", c.answering(c.trace))
	mux.HandleFunc("GET /v1/funnel", c.answering(c.funnel))
	mux.HandleFunc("GET /v1/pushes", c.answering(c.pushes))
	mux.HandleFunc("GET /v1/dead-letters", c.answering(c.deadLetters))
	mux.HandleFunc("GET /v1/dead-letters/{id}", c.answering(c.deadLetter))
	mux.HandleFunc("GET /traces/{id}", c.showing(c.trace))
	mux.HandleFunc("GET /funnel", c.showing(c.funnel))
	mux.HandleFunc("GET /pushes", c.showing(c.pushes))
	mux.HandleFunc("GET /dead-letters", c.showing(c.deadLetters))
	mux.HandleFunc("GET /dead-letters/{id}", c.showing(c.deadLetter))
	mux.HandleFunc("GET /search", search)
	mux.HandleFunc("GET /{$}", c.showing(c.index))
	mux.HandleFunc("GET /style.css", style)
	return mux
}
