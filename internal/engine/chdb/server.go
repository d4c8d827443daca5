package chdb

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// User is the only user that the endpoint knows.
const User = "waybill"

// Config says how a Server opens its data directory.
type Config struct {
	// Path is the engine's data directory.
	Path string
	// Password is asked of every caller, as that of User: the endpoint can read
	// files with the rights of its process, and every local user reaches it.
	Password string
	// Connections is how many queries run at once; the others wait. Default 4:
	// two inserts, a page and a long question of an analyst.
	Connections int
	// MaxBody bounds a request's body in bytes, beyond it the answer is 413.
	// Default 256 MiB, several times the largest batch of the projector.
	MaxBody int64
	// MaxExecution ends a query that runs longer and bounds what a query may ask
	// for itself. Default 1 minute.
	MaxExecution time.Duration
	// MaxMemory bounds the whole engine in bytes; a query beyond it fails.
	// Default 2 GiB.
	MaxMemory int64
}

func (c Config) withDefaults() Config {
	if c.Connections == 0 {
		c.Connections = 4
	}
	if c.MaxBody == 0 {
		c.MaxBody = 256 << 20
	}
	if c.MaxExecution == 0 {
		c.MaxExecution = time.Minute
	}
	if c.MaxMemory == 0 {
		c.MaxMemory = 2 << 30
	}
	return c
}

// markCache bounds the cache of index marks; the engine's own default is 5 GiB.
const markCache = 256 << 20

// Server answers ClickHouse's HTTP interface from the library.
type Server struct {
	cfg     Config
	version string
	http    *http.Server

	// free holds the connections that run no query; a query takes one out.
	free chan *session
}

// NewServer opens the data directory.
func NewServer(lib *Lib, cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	s := &Server{cfg: cfg, free: make(chan *session, cfg.Connections)}
	s.http = &http.Server{Handler: s.guarded(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	for range cfg.Connections {
		conn, err := lib.Open(cfg.Path,
			fmt.Sprintf("--max_server_memory_usage=%d", cfg.MaxMemory), fmt.Sprintf("--mark_cache_size=%d", markCache))
		if err != nil {
			return nil, errors.Join(err, s.closeFree())
		}
		ses, err := newSession(conn, cfg.MaxExecution)
		if err != nil {
			conn.Close()
			return nil, errors.Join(err, s.closeFree())
		}
		s.free <- ses
	}
	if err := s.readVersion(); err != nil {
		return nil, errors.Join(err, s.closeFree())
	}
	return s, nil
}

func (s *Server) readVersion() error {
	ses := <-s.free
	defer func() { s.free <- ses }()
	return ses.conn.Query(Query{Text: "SELECT version()", Format: "TSVRaw"}, func(b []byte) error {
		s.version = strings.TrimSpace(string(b))
		return nil
	})
}

// closeFree closes the connections that run nothing.
func (s *Server) closeFree() error {
	for {
		select {
		case ses := <-s.free:
			ses.conn.Close()
		default:
			return nil
		}
	}
}

// Serve answers on ln until Close.
func (s *Server) Serve(ln net.Listener) error {
	if err := s.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve clickhouse: %w", err)
	}
	return nil
}

// ErrRunning says that Close has left a query running.
var ErrRunning = errors.New("a query is still running")

// Close stops listening and closes the data directory. Queries that run get
// until ctx is done; after that the error is ErrRunning, the directory is left
// open, and only the end of the process closes it: as a kill does, which loses
// nothing that was answered. A caller who is still sending a query by then is
// cut off, which is no error.
func (s *Server) Close(ctx context.Context) error {
	stopped := s.http.Shutdown(ctx)
	if stopped != nil && ctx.Err() != nil {
		stopped = nil
		_ = s.http.Close() // of sockets that are given up
	}
	for range s.cfg.Connections {
		if !s.closeOne(ctx) {
			return fmt.Errorf("close clickhouse: %w", ErrRunning)
		}
	}
	return stopped
}

// closeOne waits for a connection that runs nothing, until ctx is done.
func (s *Server) closeOne(ctx context.Context) bool {
	select {
	case ses := <-s.free: // one that is free is taken whatever the time
		ses.conn.Close()
		return true
	default:
	}
	select {
	case ses := <-s.free:
		ses.conn.Close()
		return true
	case <-ctx.Done():
		return false
	}
}

// guarded lets only callers in that know the password. A web page that a
// browser shows cannot, whatever name it gives to the loopback address.
func (s *Server) guarded() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ping", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("Ok.\n")) })
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		if !s.knows(r) {
			answerError(w, exception(codeAuthentication, "AUTHENTICATION_FAILED",
				"unknown user or wrong password; the address that the engine printed has both"))
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, s.cfg.MaxBody)
		if err := s.answer(w, r); err != nil {
			answerError(w, err)
		}
	})
	return mux
}

func (s *Server) knows(r *http.Request) bool {
	user, password, ok := r.BasicAuth()
	if !ok {
		user, password = r.Header.Get("X-ClickHouse-User"), r.Header.Get("X-ClickHouse-Key")
	}
	return user == User && subtle.ConstantTimeCompare([]byte(password), []byte(s.cfg.Password)) == 1
}

// answer runs one request. Its body has been read before it takes a connection,
// so a slow caller keeps none.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) error {
	q, err := readRequest(r)
	if err != nil {
		return err
	}
	defer q.close()
	w.Header().Set("X-ClickHouse-Format", q.format)
	w.Header().Set("X-ClickHouse-Server-Display-Name", displayName)
	if q.isHello() {
		_, err := w.Write(hello(s.version))
		return err
	}
	select {
	case ses := <-s.free:
		defer func() { s.free <- ses }()
		return ses.run(q, func(answer []byte) error { return write(w, answer) })
	case <-r.Context().Done():
		return r.Context().Err()
	}
}

// writeTimeout is how long a caller may take to receive an answer: until then
// it keeps a connection.
const writeTimeout = time.Minute

func write(w http.ResponseWriter, answer []byte) error {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
	w.Header().Set("Content-Length", fmt.Sprint(len(answer)))
	// An error here means that the caller has gone: there is nobody to tell.
	_, _ = w.Write(answer)
	return nil
}
