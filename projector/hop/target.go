package hop

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// target is a ClickHouse by one of its two protocols.
type target struct {
	http   *httpTarget
	native driver.Conn
}

// openTarget connects when it is first used. The DSN is clickhouse-go's:
// http://user:password@host:port/database, or clickhouse:// for the native
// protocol. Over HTTP blocks are made here, without the driver: its columns are
// built anew for each insert, and its words cost an allocation for each row.
func openTarget(dsn string) (target, error) {
	options, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		return target{}, fmt.Errorf("open clickhouse: %w", err)
	}
	if options.Protocol == clickhouse.HTTP {
		return target{http: newHTTPTarget(options)}, nil
	}
	options.MaxOpenConns, options.MaxIdleConns = inserters, inserters
	db, err := clickhouse.Open(options)
	if err != nil {
		return target{}, fmt.Errorf("open clickhouse: %w", err)
	}
	return target{native: db}, nil
}

func (t target) close() error {
	if t.native != nil {
		return t.native.Close()
	}
	t.http.client.CloseIdleConnections()
	return nil
}

func fillAndSend[R any](ctx context.Context, db driver.Conn, t *table[R], settings clickhouse.Settings, cuts [][]R) error {
	batch, err := db.PrepareBatch(clickhouse.Context(ctx, clickhouse.WithSettings(settings)), t.query)
	if err != nil {
		return err
	}
	if err := t.fill(batch, cuts); err != nil {
		_ = batch.Abort()
		return err
	}
	return batch.Send()
}

// httpTarget sends blocks over ClickHouse's HTTP interface.
type httpTarget struct {
	options *clickhouse.Options
	client  *http.Client
	tries   atomic.Uint32 // of several addresses, the next try takes the next one
}

const dialTimeout = 5 * time.Second

func newHTTPTarget(options *clickhouse.Options) *httpTarget {
	return &httpTarget{options: options, client: &http.Client{Transport: &http.Transport{
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSClientConfig:     options.TLS,
		MaxIdleConnsPerHost: inserters,
		IdleConnTimeout:     time.Minute,
	}}}
}

// insert sends one block in the Native format.
func (t *httpTarget) insert(ctx context.Context, query string, settings clickhouse.Settings, block []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url(query, settings), bytes.NewReader(block))
	if err != nil {
		return err
	}
	req.Header.Set("X-ClickHouse-User", cmp.Or(t.options.Auth.Username, "default"))
	req.Header.Set("X-ClickHouse-Key", t.options.Auth.Password)
	for name, v := range t.options.HttpHeaders {
		req.Header.Set(name, v)
	}
	resp, err := t.client.Do(req)
	if err != nil {
		t.tries.Add(1)
		return err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, maxSaid))
	if resp.StatusCode != http.StatusOK || resp.Header.Get("X-ClickHouse-Exception-Code") != "" {
		t.tries.Add(1)
		return fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(said)))
	}
	return err
}

// maxSaid bounds what is read of an error.
const maxSaid = 4096

func (t *httpTarget) url(query string, settings clickhouse.Settings) string {
	values := url.Values{"query": {query + " FORMAT Native"}, "database": {cmp.Or(t.options.Auth.Database, "default")}}
	for _, some := range []clickhouse.Settings{t.options.Settings, settings} {
		for name, v := range some {
			values.Set(name, fmt.Sprint(v))
		}
	}
	u := url.URL{Scheme: "http", Host: t.options.Addr[int(t.tries.Load())%len(t.options.Addr)], Path: "/" + strings.TrimPrefix(t.options.HttpUrlPath, "/"), RawQuery: values.Encode()}
	if t.options.TLS != nil {
		u.Scheme = "https"
	}
	return u.String()
}
