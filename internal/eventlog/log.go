package eventlog

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/metric"
)

// Config of a Log.
type Config struct {
	// Brokers are host:port addresses to begin with; at least one.
	Brokers []string
	// Node names this process to the brokers, in their logs and metrics.
	Node string
	// Log gets a line for each change of state; nil discards them.
	Log *slog.Logger
	// Meter makes the instruments; nil measures nothing.
	Meter metric.Meter
	// Faults delays and fails topics and partitions in tests; nil in production.
	Faults *Faults
	// Stuck is how long a batch may wait for its PartitionFunc before OnStuck is
	// called; 0 means a minute. A stuck reader keeps its partitions for ever,
	// since the group's heartbeats go on without it.
	Stuck time.Duration
	// OnStuck decides what happens then; it is called once for each time that a
	// partition gets stuck. nil means a line in the log: a process that wants its
	// partitions to go elsewhere must exit.
	OnStuck func(topic string, partition int32, waiting time.Duration)
}

const defaultStuck = time.Minute

// Log is the way to the brokers. It holds one connection for questions;
// each Appender and each reader has its own.
type Log struct {
	cfg     Config
	client  *kgo.Client // asks: metadata, offsets, settings
	admin   *kadm.Client
	metrics *metrics

	clientLog *clientLog // of all clients: what one has said the others need not

	mu     sync.Mutex
	topics map[string]topic // those that were looked up
}

// Open returns at once: the brokers may be away. Every call that needs them
// waits, or refuses, as it documents.
func Open(cfg Config) (*Log, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Stuck == 0 {
		cfg.Stuck = defaultStuck
	}
	m, err := newMetrics(cfg.Meter)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	l := &Log{cfg: cfg, metrics: m, topics: make(map[string]topic), clientLog: newClientLog(cfg.Log)}
	if l.client, err = kgo.NewClient(l.options()...); err != nil {
		return nil, fmt.Errorf("open log at %v: %w", cfg.Brokers, err)
	}
	l.admin = kadm.NewClient(l.client)
	return l, nil
}

// Close ends the connection for questions. Appenders and readers end by
// themselves: Appender.Close, and the contexts of Follow and Join.
func (l *Log) Close() { l.client.Close() }

// Ping asks any broker for a sign of life.
func (l *Log) Ping(ctx context.Context) error {
	if err := l.client.Ping(ctx); err != nil {
		return fmt.Errorf("ping brokers: %w", err)
	}
	return nil
}

// Times of a client that is to notice at once when a broker is back: with the
// library's defaults the first acknowledgement came 1.5 to 4.8 s after it, with
// these 0.2 s.
const (
	metadataMinAge = 250 * time.Millisecond
	retryFirst     = 50 * time.Millisecond
	retryMost      = 500 * time.Millisecond
)

// options are common to all clients.
func (l *Log) options(more ...kgo.Opt) []kgo.Opt {
	return append([]kgo.Opt{
		kgo.SeedBrokers(l.cfg.Brokers...),
		kgo.ClientID(clientID(l.cfg.Node)),
		kgo.MetadataMinAge(metadataMinAge),
		kgo.RetryBackoffFn(retryBackoff),
		kgo.WithLogger(l.clientLog),
	}, more...)
}

func clientID(node string) string {
	if node == "" {
		return "waybill"
	}
	return "waybill/" + node
}

// retryBackoff doubles the pause from the first to the most.
func retryBackoff(tries int) time.Duration {
	return min(retryFirst<<min(tries-1, 4), retryMost)
}
