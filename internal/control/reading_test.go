package control

import (
	"context"
	"testing"
	"time"

	"waybill/internal/engine"
	"waybill/internal/eventlog"
)

// A view says how long it may be behind: while something is in the topic that it
// cannot read, and while it cannot ask.
func TestBehind(t *testing.T) {
	kafka, err := engine.StartKafka(engine.KafkaConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kafka.Close() })
	writing, faults := openLog(t, kafka, nil), new(eventlog.Faults)
	log := openLog(t, kafka, faults)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	if err := writing.CreateTopics(ctx, eventlog.Specs(2, 2, 1)); err != nil {
		t.Fatal(err)
	}
	if late := Open(log).Behind(); late < time.Hour {
		t.Errorf("a view that has read nothing is %s behind", late)
	}
	v := follow(t, log)
	<-v.Ready()
	if late := v.Behind(); late > 5*time.Second {
		t.Errorf("a view that is ready is %s behind", late)
	}
	for _, c := range []struct {
		name       string
		fault, end func()
	}{
		{"a record that does not come", func() { faults.Hold(eventlog.ControlTopic, 0) }, func() { faults.Release(eventlog.ControlTopic, 0) }},
		{"a topic that is away", func() { faults.Fail(eventlog.ControlTopic, 0, context.DeadlineExceeded) }, faults.Clear},
	} {
		c.fault()
		if _, err := Tidy(ctx, writing); err != nil {
			t.Fatal(err)
		}
		awaitBehind(t, ctx, v, c.name, func(late time.Duration) bool { return late > 2*time.Second })
		c.end()
		awaitBehind(t, ctx, v, c.name+", and then does", func(late time.Duration) bool { return late < time.Second })
	}
}

func awaitBehind(t *testing.T, ctx context.Context, v *View, what string, so func(time.Duration) bool) {
	t.Helper()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for !so(v.Behind()) {
		select {
		case <-look.C:
		case <-ctx.Done():
			t.Fatalf("%s: the view is %s behind", what, v.Behind())
		}
	}
}

func openLog(t *testing.T, kafka *engine.Kafka, faults *eventlog.Faults) *eventlog.Log {
	t.Helper()
	log, err := eventlog.Open(eventlog.Config{Brokers: kafka.Addrs(), Node: "test", Faults: faults})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(log.Close)
	return log
}
