package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// What other packages rely on beyond producing and consuming. A newer kfake that
// lacks one of these fails here first.

func TestKafkaTopicConfigs(t *testing.T) {
	k := startKafka(t, KafkaConfig{Dir: t.TempDir()})
	t.Cleanup(func() { closed(t, k) })
	c := kafkaClient(t, k.Addrs())
	adm := kadm.NewClient(c)
	createTopic(t, c, "t", map[string]*string{
		"retention.ms": kadm.StringPtr("3600000"), "cleanup.policy": kadm.StringPtr("compact"),
		"message.timestamp.type": kadm.StringPtr("LogAppendTime"),
	})
	altered, err := adm.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Name: "retention.ms", Value: kadm.StringPtr("7200000")}}, "t")
	if err := errors.Join(err, altered[0].Err); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	described, err := adm.DescribeTopicConfigs(t.Context(), "t")
	if err != nil {
		t.Fatal(err)
	}
	for _, config := range described[0].Configs {
		got[config.Key] = config.MaybeValue()
	}
	for key, want := range map[string]string{"retention.ms": "7200000", "cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime"} {
		if got[key] != want {
			t.Errorf("%s = %q, want %q", key, got[key], want)
		}
	}
}

func TestKafkaCompactsAndExpires(t *testing.T) {
	k := startKafka(t, KafkaConfig{Dir: t.TempDir()})
	t.Cleanup(func() { closed(t, k) })
	c := kafkaClient(t, k.Addrs())
	createTopic(t, c, "compacted", map[string]*string{"cleanup.policy": kadm.StringPtr("compact")})
	createTopic(t, c, "expiring", map[string]*string{"retention.ms": kadm.StringPtr("1")})
	for _, topic := range []string{"compacted", "expiring"} {
		for _, value := range []string{"a", "b", "c"} {
			r := &kgo.Record{Topic: topic, Key: []byte("k"), Value: []byte(value)}
			if err := c.ProduceSync(t.Context(), r).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	k.cluster.Compact()
	waitFor(t, func() bool {
		k.cluster.ApplyRetention()
		starts, err := kadm.NewClient(c).ListStartOffsets(t.Context(), "expiring")
		if err != nil {
			t.Fatal(err)
		}
		at, _ := starts.Lookup("expiring", 0)
		return at.Offset == 3
	})
	// The newest batch is never cleaned, and does not clean older ones.
	if diff := cmp.Diff([]string{"b", "c"}, values(readAll(t, k.Addrs(), "compacted", 2))); diff != "" {
		t.Error(diff)
	}
}

// waitFor asks again every few milliseconds; it is for what another process or
// library does on its own clock.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("it did not happen")
		}
	}
}

func TestKafkaCommits(t *testing.T) {
	dir := t.TempDir()
	k := startKafka(t, KafkaConfig{Dir: dir})
	addrs := k.Addrs()
	c := kafkaClient(t, addrs)
	createTopic(t, c, "t", nil)

	if code := commit(t, c, "free", "", -1); code != nil {
		t.Fatalf("commit outside a group: %v", code)
	}
	c.Close()
	closed(t, k)
	k = startKafka(t, KafkaConfig{Dir: dir, Listen: addrs[0]})
	t.Cleanup(func() { closed(t, k) })
	c = kafkaClient(t, k.Addrs())
	offsets, err := kadm.NewClient(c).FetchOffsets(t.Context(), "free")
	if err != nil {
		t.Fatal(err)
	}
	if o, _ := offsets.Lookup("t", 0); o.At != 7 || o.Metadata != "cut at 7" {
		t.Errorf("committed offset after a restart: %+v", o)
	}

	member := kafkaClient(t, k.Addrs(), kgo.ConsumeTopics("t"), kgo.ConsumerGroup("g"), kgo.DisableAutoCommit())
	member.PollFetches(joined(t, member))
	id, generation := member.GroupMetadata()
	for name, test := range map[string]struct {
		member     string
		generation int32
		want       error
	}{
		"member":             {id, generation, nil},
		"another generation": {id, generation + 1, kerr.IllegalGeneration},
		"another member":     {"ghost", generation, kerr.UnknownMemberID},
		"no member":          {"", -1, kerr.UnknownMemberID},
	} {
		if got := commit(t, c, "g", test.member, test.generation); !errors.Is(got, test.want) {
			t.Errorf("commit by %s: %v, want %v", name, got, test.want)
		}
	}
}

// joined is done when the client has joined its group.
func joined(t *testing.T, c *kgo.Client) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		waitFor(t, func() bool { _, generation := c.GroupMetadata(); return generation > 0 })
	}()
	return ctx
}

func commit(t *testing.T, c *kgo.Client, group, member string, generation int32) error {
	t.Helper()
	partition := kmsg.NewOffsetCommitRequestTopicPartition()
	partition.Offset, partition.Metadata = 7, kmsg.StringPtr("cut at 7")
	topic := kmsg.NewOffsetCommitRequestTopic()
	topic.Topic, topic.TopicID, topic.Partitions = "t", topicID(t, c), append(topic.Partitions, partition)
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.MemberID, req.Generation, req.Topics = group, member, generation, append(req.Topics, topic)
	res, err := req.RequestWith(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return kerr.ErrorForCode(res.Topics[0].Partitions[0].ErrorCode)
}

func topicID(t *testing.T, c *kgo.Client) [16]byte {
	t.Helper()
	topics, err := kadm.NewClient(c).ListTopics(t.Context(), "t")
	if err != nil {
		t.Fatal(err)
	}
	return topics["t"].ID
}
