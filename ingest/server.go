package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/metric"
	"golang.org/x/sync/errgroup"

	"waybill/internal/control"
	"waybill/internal/eventlog"
)

// Config of a Server. Zero values take the defaults.
type Config struct {
	Log     *eventlog.Log
	Control *control.View
	// Epochs leads pushes into the log's next epoch; whoever makes it runs it. nil:
	// they go to waybill.events for ever.
	Epochs *eventlog.Epochs
	// Listen is host:port; port 0 takes a free one.
	Listen string
	// Node is what stands in the events.
	Node string
	// CallTimeout is how long a call may take to arrive, and then how long the
	// log may take to confirm it (default 10 s each). What is not confirmed by
	// then is answered as unknown; it should be longer than the 3 s after which a
	// partition refuses.
	CallTimeout time.Duration
	// DrainTimeout is how long calls in flight have when Run's context ends
	// (default 15 s). Then connections are cut.
	DrainTimeout time.Duration
	Logger       *slog.Logger // nil discards
	Meter        metric.Meter // nil measures nothing
}

// Server is the HTTP service through which app-servers push.
type Server struct {
	cfg      Config
	appender *eventlog.Appender
	metrics  *metrics
	ready    chan struct{} // closed by Run when it listens and knows the topic
	addr     string        // written before ready is closed

	// draining ends when no more calls are to come.
	draining context.Context
	drain    context.CancelFunc
}

// New opens an appender; Run closes it. Who uses Handler alone calls Close.
func New(cfg Config) (*Server, error) {
	cfg.setDefaults()
	m, err := newMetrics(cfg.Meter)
	if err != nil {
		return nil, fmt.Errorf("open ingest: %w", err)
	}
	appender, err := cfg.Log.NewAppender(eventlog.AppenderConfig{Epochs: cfg.Epochs})
	if err != nil {
		return nil, fmt.Errorf("open ingest: %w", err)
	}
	s := &Server{cfg: cfg, appender: appender, metrics: m, ready: make(chan struct{})}
	s.draining, s.drain = context.WithCancel(context.Background())
	return s, nil
}

func (c *Config) setDefaults() {
	if c.CallTimeout == 0 {
		c.CallTimeout = 10 * time.Second
	}
	if c.DrainTimeout == 0 {
		c.DrainTimeout = 15 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

// Ready is closed when Run listens and the log has answered once. Until then,
// and until the view is ready, calls are refused as busy.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Addr is where it listens, known after Ready.
func (s *Server) Addr() string { return s.addr }

// Run serves until ctx ends, then answers what is in flight and returns nil.
func (s *Server) Run(ctx context.Context) error {
	defer s.Close()
	listener, err := net.Listen("tcp", s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s.addr = listener.Addr().String()
	s.cfg.Logger.Info("ingest listens", "address", s.addr)

	server := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      2*s.cfg.CallTimeout + writePatience, // of calls; streams set their own
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelWarn),
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.prepare(ctx) })
	g.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		return s.shutdown(server)
	})
	return g.Wait()
}

// prepare looks the topic up, so that the first call does not wait for it. A
// topic that is missing ends the server: it could only refuse.
func (s *Server) prepare(ctx context.Context) error {
	err := s.appender.Prepare(ctx, eventlog.EventsTopic)
	switch {
	case err == nil:
		close(s.ready)
	case ctx.Err() == nil:
		return fmt.Errorf("prepare: %w", err)
	}
	return nil
}

// shutdown lets calls end, and streams after the line that they are at.
func (s *Server) shutdown(server *http.Server) error {
	s.cfg.Logger.Info("ingest drains")
	s.drain()
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.DrainTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		_ = server.Close() // cuts what did not end in time
		s.cfg.Logger.Warn("calls cut while draining", "err", err)
	}
	return nil
}

// Close ends the appender: what the log has not confirmed is unknown.
func (s *Server) Close() {
	s.drain()
	s.appender.Close()
}
