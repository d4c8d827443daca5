package control

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"waybill/internal/engine"
	"waybill/internal/eventlog"
	"waybill/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	keyA   = "key-a-0123456789-0123456789-0123456789"
	keyB   = "key-b-0123456789-0123456789-0123456789"
	secret = "secret-0123456789-0123456789-0123456789"
	public = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
)

func newLog(t *testing.T) (*eventlog.Log, context.Context) {
	t.Helper()
	log, ctx := newEmptyLog(t)
	if err := log.CreateTopics(ctx, eventlog.Specs(2, 2, 1)); err != nil {
		t.Fatal(err)
	}
	return log, ctx
}

// newEmptyLog has no topics.
func newEmptyLog(t *testing.T) (*eventlog.Log, context.Context) {
	t.Helper()
	kafka, err := engine.StartKafka(engine.KafkaConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kafka.Close() })
	log, err := eventlog.Open(eventlog.Config{Brokers: kafka.Addrs(), Node: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(log.Close)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return log, ctx
}

func apply(t *testing.T, ctx context.Context, log *eventlog.Log, file string) ([]string, error) {
	t.Helper()
	apps, err := ReadFile(strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return Apply(ctx, log, Change{Apps: apps, Partitions: 2, Replication: 1, Who: "migrate/tester@host"})
}

// follow runs a view until the test ends.
func follow(t *testing.T, log *eventlog.Log, edit ...func(*View)) *View {
	t.Helper()
	v := Open(log)
	for _, f := range edit {
		f(v)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- v.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return v
}

func TestApply(t *testing.T) {
	log, ctx := newLog(t)
	early := follow(t, log)
	<-early.Ready() // the topic is empty
	const freight = `{"name":"freight","api_keys":[{"id":"city","key":"` + keyA + `"}],"token_keys":[{"id":"k1","algorithm":"HS256","secret":"` + secret + `"},{"id":"k2","algorithm":"EdDSA","public_key":"` + public + `"}]}`
	for _, step := range []struct {
		file    string
		changed []string
	}{
		{`{"apps":[` + freight + `]}`, []string{"freight"}},
		{`{"apps":[` + freight + `]}`, nil},
		{`{"apps":[` + freight + `,{"name":"taxi","api_keys":[{"id":"t","key":"` + keyB + `"}]}]}`, []string{"taxi"}},
		{`{"apps":[{"name":"taxi"}]}`, []string{"taxi"}}, // its key is gone
	} {
		changed, err := apply(t, ctx, log, step.file)
		if err != nil || !slices.Equal(changed, step.changed) {
			t.Fatalf("%s: changed %v, %v; want %v", step.file, changed, err, step.changed)
		}
	}
	late := follow(t, log)
	<-late.Ready()
	checkView(t, late)
	for _, topic := range []string{eventlog.UplinkTopic("freight"), eventlog.IntakeTopic("taxi")} {
		if _, err := log.Partitions(ctx, topic); err != nil {
			t.Errorf("%s: %v", topic, err)
		}
	}
	checkAudit(t, ctx, log)
}

func checkView(t *testing.T, v *View) {
	t.Helper()
	if a, ok := v.ByAPIKey(keyA); !ok || a.Name != "freight" {
		t.Errorf("key a: %v, %v", a, ok)
	}
	if _, ok := v.ByAPIKey(keyB); ok {
		t.Error("key b was taken away and still opens")
	}
	if _, ok := v.App("taxi"); !ok {
		t.Error("taxi is unknown")
	}
	if alg, key, ok := v.TokenKey("freight", "k1"); !ok || alg != HS256 || string(key) != secret {
		t.Errorf("k1: %s %q %v", alg, key, ok)
	}
	if alg, key, ok := v.TokenKey("freight", "k2"); !ok || alg != EdDSA || len(key) != 32 {
		t.Errorf("k2: %s %x %v", alg, key, ok)
	}
	if _, _, ok := v.TokenKey("freight", "k3"); ok {
		t.Error("k3 is known")
	}
}

// The audit names who, when and what, one record for each change, no secret.
func checkAudit(t *testing.T, ctx context.Context, log *eventlog.Log) {
	t.Helper()
	records := make(chan eventlog.Entry, 10)
	reading, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- log.Follow(reading, eventlog.FollowConfig{Topic: eventlog.AuditTopic, Serve: func(ctx context.Context, p *eventlog.Partition) error {
			if err := p.Start(eventlog.FromStart, nil); err != nil {
				return err
			}
			for {
				b, err := p.Next(ctx)
				if err != nil {
					return nil
				}
				for _, e := range b.Entries {
					records <- e
				}
			}
		}})
	}()
	for _, want := range []string{"freight", "taxi", "taxi"} {
		got := <-records
		if got.Event.App != want || got.Event.Node != "migrate/tester@host" || got.Event.Time == 0 {
			t.Errorf("audit %+v, want app %s", got.Event, want)
		}
		for _, k := range got.Event.AppSet.TokenKeys {
			if sum := sha256.Sum256([]byte(secret)); k.Algorithm == HS256 && string(k.Key) != string(sum[:]) {
				t.Errorf("the audit holds %q", k.Key)
			}
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestApplyWithoutTopics(t *testing.T) {
	log, ctx := newEmptyLog(t)
	if _, err := apply(t, ctx, log, `{"apps":[{"name":"freight"}]}`); !errors.Is(err, eventlog.ErrUnknownTopic) {
		t.Errorf("%v, want %v", err, eventlog.ErrUnknownTopic)
	}
}

func TestApplyForeignKey(t *testing.T) {
	log, ctx := newLog(t)
	if _, err := apply(t, ctx, log, `{"apps":[{"name":"freight","api_keys":[{"id":"city","key":"`+keyA+`"}]}]}`); err != nil {
		t.Fatal(err)
	}
	_, err := apply(t, ctx, log, `{"apps":[{"name":"taxi","api_keys":[{"id":"mine","key":"`+keyA+`"}]}]}`)
	if err == nil || !strings.Contains(err.Error(), `key "mine" of app taxi is already a key of app freight`) {
		t.Errorf("%v", err)
	}
}

// A change is in force in a view that follows.
func TestViewFollows(t *testing.T) {
	log, ctx := newLog(t)
	shown := make(chan struct{}, 10)
	v := follow(t, log, func(v *View) { v.shown = func() { shown <- struct{}{} } })
	<-v.Ready()
	if _, err := apply(t, ctx, log, `{"apps":[{"name":"freight","api_keys":[{"id":"city","key":"`+keyA+`"}]}]}`); err != nil {
		t.Fatal(err)
	}
	for _, ok := v.ByAPIKey(keyA); !ok; _, ok = v.ByAPIKey(keyA) {
		select {
		case <-shown:
		case <-ctx.Done():
			t.Fatal("the view does not follow")
		}
	}
}

func TestFold(t *testing.T) {
	read := newRecords()
	set := func(name string) *schemas.Event {
		return &schemas.Event{Kind: schemas.Kind_KIND_APP_SET, App: name, AppSet: &schemas.App{Name: name}}
	}
	for _, e := range []*schemas.Event{
		set("a"), set("b"), {Kind: schemas.Kind_KIND_APP_REMOVED, App: "a"}, {Kind: schemas.Kind_KIND_TICK},
		{Kind: schemas.Kind_KIND_APP_SET}, nil,
	} {
		read.fold(&eventlog.Entry{Event: e})
	}
	if len(read.apps) != 1 || read.apps["b"] == nil {
		t.Errorf("%v", read.apps)
	}
}
