package control

import (
	"context"
	"fmt"
	"time"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// changer writes changes, each audited before it is in force.
type changer struct {
	log      *eventlog.Log
	appender *eventlog.Appender
	who      string
}

func newChanger(log *eventlog.Log, who string) (*changer, error) {
	a, err := log.NewAppender(eventlog.AppenderConfig{})
	if err != nil {
		return nil, fmt.Errorf("open the control topic: %w", err)
	}
	if who == "" {
		who = Operator("migrate")
	}
	return &changer{log, a, who}, nil
}

func (c *changer) close() { c.appender.Close() }

// set audits, then puts in force: no change without its audit. audit is e
// without what may not be kept for ever.
func (c *changer) set(ctx context.Context, key string, e, audit *schemas.Event) error {
	now := time.Now().UnixMicro()
	e.Node, e.Time, audit.Node, audit.Time = c.who, now, c.who, now
	if err := c.append(ctx, eventlog.AuditTopic, key, audit); err != nil {
		return err
	}
	return c.append(ctx, eventlog.ControlTopic, key, e)
}

func (c *changer) append(ctx context.Context, topic, key string, e *schemas.Event) error {
	value, err := e.MarshalVT()
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	_, err = c.appender.AppendWait(ctx, eventlog.Record{Topic: topic, Partition: eventlog.ByKey, Key: []byte(key), Value: value})
	return err
}

// drop takes the record of the key out of the topic.
func (c *changer) drop(ctx context.Context, key string) error {
	_, err := c.appender.AppendWait(ctx, eventlog.Record{
		Topic: eventlog.ControlTopic, Partition: eventlog.ByKey, Key: []byte(key), Stamp: eventlog.NoStamp,
	})
	return err
}

// mark appends a record that says nothing and stays: it tells the broker's time,
// and it keeps the topic's end readable. Of what was dropped, brokers forget in
// the end that it was there, and a reader who was promised a record at the end
// of the topic would wait for it.
func (c *changer) mark(ctx context.Context) error {
	return c.append(ctx, eventlog.ControlTopic, "mark", &schemas.Event{
		Kind: schemas.Kind_KIND_TICK, Node: c.who, Time: time.Now().UnixMicro(), Tick: &schemas.Tick{},
	})
}

// Tidy drops what has been kept for long enough by the log's clock: revocations
// of which no ticket can live any more, and keys under which none does. It says
// how many.
func Tidy(ctx context.Context, log *eventlog.Log) (dropped int, err error) {
	c, err := newChanger(log, "")
	if err != nil {
		return 0, err
	}
	defer c.close()
	if dropped, err = c.tidy(ctx); err != nil {
		return dropped, fmt.Errorf("tidy %s: %w", eventlog.ControlTopic, err)
	}
	return dropped, nil
}

func (c *changer) tidy(ctx context.Context) (dropped int, err error) {
	if err := c.mark(ctx); err != nil {
		return 0, err
	}
	now, err := current(ctx, c.log)
	if err != nil {
		return 0, err
	}
	for _, key := range now.state.Load().overdue() {
		if err := c.drop(ctx, key); err != nil {
			return dropped, err
		}
		dropped++
	}
	if dropped > 0 {
		err = c.mark(ctx)
	}
	return dropped, err
}

// overdue are the keys of the records that may go.
func (s *state) overdue() (keys []string) {
	for _, r := range s.revoked.list {
		if r.Before+keptFor.Microseconds() < s.time {
			keys = append(keys, r.key())
		}
	}
	for _, k := range s.clusterKeys {
		if k.Retires != 0 && k.Retires < s.time {
			keys = append(keys, k.recordKey())
		}
	}
	return keys
}
