package app

import (
	"context"
	"crypto/rand"
	"log/slog"
	"testing"
	"time"

	"waybill/internal/engine"
	"waybill/internal/eventlog"
	"waybill/schemas"
)

// TestGateBeforeAnAppsTopics: an app that stands in the log and has no topic for
// its uplinks keeps no gate from serving all others.
func TestGateBeforeAnAppsTopics(t *testing.T) {
	k, err := engine.StartKafka(engine.KafkaConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b := Base{Addresses: Addresses{Kafka: k.Addrs()}, Host: "test", Logger: slog.New(slog.DiscardHandler)}
	setAppAlone(t, b, "freight")
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	s, err := NewGate(b, GateConfig{Number: 1, Listen: "127.0.0.1:0", ClusterKey: key, Drain: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	r := s.Start(context.WithoutCancel(ctx))
	if err := r.WaitReady(ctx); err != nil {
		t.Error(err)
	}
	if err := r.Stop(); err != nil {
		t.Error(err)
	}
}

// setAppAlone puts an app into the log, and makes none of its topics.
func setAppAlone(t *testing.T, b Base, name string) {
	t.Helper()
	log, err := b.open("test")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if err := log.CreateTopics(t.Context(), eventlog.Specs(1, 2, 1)); err != nil {
		t.Fatal(err)
	}
	a, err := log.NewAppender(eventlog.AppenderConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	e := &schemas.Event{Kind: schemas.Kind_KIND_APP_SET, App: name, AppSet: &schemas.App{Name: name}}
	value, err := e.MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	r := eventlog.Record{Topic: eventlog.ControlTopic, Partition: eventlog.ByKey, Key: []byte(name), Value: value}
	if _, err := a.AppendWait(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}
