package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// KafkaConfig says where the embedded broker keeps its log and where it
// listens.
type KafkaConfig struct {
	// Dir is the broker's directory.
	Dir string
	// Listen is a loopback address, default "127.0.0.1:0": the broker lets
	// everybody in who reaches it.
	Listen string
	// SyncWrites makes every batch durable before it is acknowledged, two fsyncs
	// for each partition, one after another. Without it the log survives the
	// kill of the process, not a power cut.
	SyncWrites bool
	// Log gets the broker's warnings and errors. Default: none.
	Log *slog.Logger
}

// Kafka is a broker in this process. Whoever creates topics sets their
// retention: a topic without retention.ms or retention.bytes is kept for ever.
// No topic is created by accident.
//
// The broker stamps every record with its own clock, as Kafka does for topics
// with message.timestamp.type=LogAppendTime.
type Kafka struct {
	cluster *kfake.Cluster
	addrs   []string
	lock    *Lock
}

// kafkaVersion numbers the layout that kfake writes. A newer kfake reads the
// files of the one before; raise this when it no longer does.
const kafkaVersion = "1"

// retentionInterval is how often retention and compaction run, in ms: a tenth
// of the shortest retention of our topics.
const retentionInterval = "360000"

// StartKafka opens the directory and serves it until Close. After Close, the
// same directory and address give the same log back: for clients it was an
// outage.
func StartKafka(cfg KafkaConfig) (*Kafka, error) {
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	if err := checkLoopback(cfg.Listen); err != nil {
		return nil, fmt.Errorf("start kafka: %w", err)
	}
	lock, err := LockDir(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("start kafka: %w", err)
	}
	k := &Kafka{lock: lock}
	if err := k.open(cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("start kafka: %w", err), lock.Release())
	}
	return k, nil
}

func (k *Kafka) open(cfg KafkaConfig) error {
	err := marker{"kafka", kafkaVersion}.claim(cfg.Dir, "start the waybill that wrote it")
	if err != nil {
		return err
	}
	if k.cluster, err = kfake.NewCluster(options(cfg)...); err != nil {
		return err
	}
	k.stampProduces(newStamper())
	k.addrs = k.cluster.ListenAddrs()
	return nil
}

// stampProduces lets s see each request to produce before the broker does. The
// broker remembers, with such a function, the last request of every connection
// that there ever was; so now and then another one takes over.
func (k *Kafka) stampProduces(s *stamper) {
	left := stampUses
	k.cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		left--
		if left == 0 {
			k.cluster.DropControl()
			k.stampProduces(s)
		}
		s.stampRequest(req)
		return nil, nil, false // the broker goes on with it
	})
}

// stampUses is rare enough to cost nothing and often enough that closed
// connections keep little memory.
const stampUses = 2000

func options(cfg KafkaConfig) []kfake.Opt {
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.ClusterID("waybill-embedded"),
		kfake.DataDir(filepath.Join(cfg.Dir, "data")),
		kfake.BrokerConfigs(map[string]string{"log.cleaner.backoff.ms": retentionInterval}),
		kfake.ListenFn(func(network, _ string) (net.Listener, error) { return net.Listen(network, cfg.Listen) }),
	}
	if cfg.SyncWrites {
		opts = append(opts, kfake.SyncWrites())
	}
	if cfg.Log != nil {
		opts = append(opts, kfake.WithLogger(kafkaLog{cfg.Log}))
	}
	return opts
}

// Addrs are the addresses for clients to begin with.
func (k *Kafka) Addrs() []string { return k.addrs }

// Close writes what is not written yet and gives the directory up. Clients see
// a broker that has gone away.
func (k *Kafka) Close() error {
	k.cluster.Close()
	return k.lock.Release()
}

// checkLoopback refuses an address that other machines could reach.
func checkLoopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("listen on %s: an embedded engine has no access control and listens on a loopback address only, such as 127.0.0.1:0", address)
	}
	return nil
}

// kafkaLog hands the broker's own warnings on.
type kafkaLog struct{ log *slog.Logger }

func (l kafkaLog) Logf(level kfake.LogLevel, format string, args ...any) {
	switch level {
	case kfake.LogLevelError:
		l.log.Error("kafka engine", "message", fmt.Sprintf(format, args...))
	case kfake.LogLevelWarn:
		l.log.Warn("kafka engine", "message", fmt.Sprintf(format, args...))
	}
}
