package engine

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func startKafka(t *testing.T, cfg KafkaConfig) *Kafka {
	t.Helper()
	k, err := StartKafka(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func closed(t *testing.T, c interface{ Close() error }) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

func kafkaClient(t *testing.T, addrs []string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(addrs...), kgo.MetadataMinAge(50 * time.Millisecond)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func createTopic(t *testing.T, c *kgo.Client, name string, configs map[string]*string) {
	t.Helper()
	res, err := kadm.NewClient(c).CreateTopic(t.Context(), 1, 1, configs, name)
	if err := errors.Join(err, res.Err); err != nil {
		t.Fatal(err)
	}
}

// readAll reads n records of a topic from its beginning.
func readAll(t *testing.T, addrs []string, topic string, n int) []*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c := kafkaClient(t, addrs, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer c.Close()
	var records []*kgo.Record
	for len(records) < n {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("read %s after %d of %d records: %v", topic, len(records), n, err)
		}
		records = append(records, fetches.Records()...)
	}
	return records
}

func values(records []*kgo.Record) (list []string) {
	for _, r := range records {
		list = append(list, string(r.Value))
	}
	return list
}

func TestKafkaOutageKeepsTheLog(t *testing.T) {
	for _, sync := range []bool{false, true} {
		dir := t.TempDir()
		k := startKafka(t, KafkaConfig{Dir: dir, SyncWrites: sync})
		addrs := k.Addrs()
		c := kafkaClient(t, addrs)
		createTopic(t, c, "t", nil)
		if err := c.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Value: []byte("before")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		closed(t, k)

		// Appended while the broker is away, by a client that lives on.
		during := make(chan error, 1)
		c.Produce(t.Context(), &kgo.Record{Topic: "t", Value: []byte("during")}, func(_ *kgo.Record, err error) { during <- err })
		k = startKafka(t, KafkaConfig{Dir: dir, SyncWrites: sync, Listen: addrs[0]})
		if err := <-during; err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"before", "during"}, values(readAll(t, k.Addrs(), "t", 2))); diff != "" {
			t.Error(diff)
		}
		c.Close()
		closed(t, k)
	}
}

func TestKafkaRefuses(t *testing.T) {
	dir := t.TempDir()
	k := startKafka(t, KafkaConfig{Dir: dir})
	if _, err := StartKafka(KafkaConfig{Dir: dir}); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), dir) {
		t.Errorf("second opener: %v", err)
	}
	closed(t, k)
	if err := (marker{"kafka", "0"}).write(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := StartKafka(KafkaConfig{Dir: dir}); !errors.Is(err, ErrVersion) {
		t.Errorf("other version: %v", err)
	}
	if _, err := StartKafka(KafkaConfig{Dir: t.TempDir(), Listen: "0.0.0.0:0"}); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("foreign address: %v", err)
	}
	if lock, err := LockDir(dir); err != nil { // a refused start leaves no lock
		t.Error(err)
	} else if err := lock.Release(); err != nil {
		t.Error(err)
	}
}

// TestKafkaStampsAppendTime produces records that claim to be old and far apart.
func TestKafkaStampsAppendTime(t *testing.T) {
	old := time.UnixMilli(1_000_000)
	for name, test := range map[string]struct {
		codec   kgo.CompressionCodec
		between time.Duration // of two records' claims
		within  time.Duration // of their stamps
	}{
		"equal":       {kgo.NoCompression(), 0, 0},
		"near":        {kgo.NoCompression(), time.Millisecond, 0},
		"far apart":   {kgo.NoCompression(), 1000 * time.Hour, 0},
		"backwards":   {kgo.NoCompression(), -time.Hour, 0},
		"compressed":  {kgo.ZstdCompression(), 0, 0},
		"compressed2": {kgo.ZstdCompression(), 10 * time.Millisecond, 90 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := startKafka(t, KafkaConfig{Dir: t.TempDir()})
			t.Cleanup(func() { closed(t, k) })
			c := kafkaClient(t, k.Addrs(), kgo.ProducerLinger(20*time.Millisecond), kgo.ProducerBatchCompression(test.codec))
			createTopic(t, c, "t", nil)
			var records []*kgo.Record
			for i := range 10 {
				records = append(records, &kgo.Record{
					Topic: "t", Key: []byte("key"), Value: []byte(strings.Repeat("v", 300)),
					Timestamp: old.Add(time.Duration(i) * test.between),
				})
			}
			before := time.Now().Truncate(time.Millisecond)
			if err := c.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
				t.Fatal(err)
			}
			after := time.Now()
			for _, r := range readAll(t, k.Addrs(), "t", 10) {
				if r.Timestamp.Before(before.Add(-test.within)) || r.Timestamp.After(after) {
					t.Errorf("record %d is stamped %v, appended in [%v, %v]", r.Offset, r.Timestamp, before, after)
				}
				if len(r.Value) != 300 || string(r.Key) != "key" {
					t.Errorf("record %d has changed: %q %q", r.Offset, r.Key, r.Value)
				}
			}
		})
	}
}

// TestKafkaStampsOn goes on beyond the point where another function takes over.
func TestKafkaStampsOn(t *testing.T) {
	k := startKafka(t, KafkaConfig{Dir: t.TempDir()})
	t.Cleanup(func() { closed(t, k) })
	c := kafkaClient(t, k.Addrs(), kgo.ProducerLinger(0))
	createTopic(t, c, "t", nil)
	const n = 2*stampUses + 10
	for range n {
		if err := c.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Timestamp: time.UnixMilli(1)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range readAll(t, k.Addrs(), "t", n) {
		if time.Since(r.Timestamp) > time.Hour {
			t.Fatalf("record %d is stamped %v", r.Offset, r.Timestamp)
		}
	}
}

func TestKafkaDirectoryLayout(t *testing.T) {
	dir := t.TempDir()
	closed(t, startKafka(t, KafkaConfig{Dir: dir}))
	found, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(dir, "ENGINE"), filepath.Join(dir, "LOCK"), filepath.Join(dir, "data")}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Error(diff)
	}
}
