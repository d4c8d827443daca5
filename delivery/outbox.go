package delivery

import (
	"errors"
	"strconv"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// outbox holds what has been put out and not yet handed to the appenders: a
// partition of the log that is busy keeps its own records waiting, in order,
// and nobody else's. One goroutine owns it.
type outbox struct {
	w       *Worker
	queues  map[destination]*queue
	pending int
}

// destination is a partition, or for decisions the user's key: both are what
// must stay in order.
type destination struct {
	topic     string
	partition int32
}

type queue struct{ records []eventlog.Record }

// maxPending is how many records may wait; beyond it the owner stops reading.
const maxPending = 20_000

func newOutbox(w *Worker) outbox {
	return outbox{w: w, queues: make(map[destination]*queue)}
}

func (o *outbox) full() bool { return o.pending >= maxPending }

// decide appends a decision under its user's key. All keys that one owner sees
// are of one partition, so one queue keeps their order.
func (o *outbox) decide(e *schemas.Event) {
	value, err := marshal(e.SizeVT(), e.MarshalToSizedBufferVT)
	if err != nil {
		return // cannot happen: the message is ours
	}
	o.add(destination{eventlog.EventsTopic, eventlog.ByKey}, eventlog.Record{
		Topic: eventlog.EventsTopic, Partition: eventlog.ByKey, Key: schemas.Key(e.App, e.User),
		Value: value, Urgent: e.Kind != schemas.Kind_KIND_OUTCOME,
	})
}

func (o *outbox) claim(partition int32, e *schemas.Event) {
	value, err := marshal(e.SizeVT(), e.MarshalToSizedBufferVT)
	if err != nil {
		return
	}
	o.add(destination{eventlog.EventsTopic, eventlog.ByKey}, eventlog.Record{
		Topic: eventlog.EventsTopic, Partition: partition, Value: value, Urgent: true,
	})
}

// command appends to the partition of waybill.dispatch that has the gate's
// number.
func (o *outbox) command(m *schemas.Command) {
	value, err := marshal(m.SizeVT(), m.MarshalToSizedBufferVT)
	if err != nil {
		return
	}
	partition := int32(m.Gate)
	o.add(destination{eventlog.DispatchTopic, partition}, eventlog.Record{
		Topic: eventlog.DispatchTopic, Partition: partition, Key: strconv.AppendUint(nil, uint64(m.Gate), 10), Value: value,
	})
}

// marshal leaves room for the stamp, so that the value is not copied again.
func marshal(size int, into func([]byte) (int, error)) ([]byte, error) {
	b := make([]byte, size, size+eventlog.StampSize)
	_, err := into(b)
	return b, err
}

func (o *outbox) add(d destination, r eventlog.Record) {
	q := o.queues[d]
	if q == nil {
		q = &queue{}
		o.queues[d] = q
	}
	q.records = append(q.records, r)
	o.pending++
}

// send hands over whatever is taken; the rest waits for the next call.
func (o *outbox) send() {
	if o.pending == 0 {
		return
	}
	for d, q := range o.queues {
		appender := o.w.commands
		if d.topic == eventlog.EventsTopic {
			appender = o.w.decisions
		}
		n := 0
		for n < len(q.records) && o.handed(appender, q.records[n]) {
			n++
		}
		o.pending -= n
		q.records = append(q.records[:0], q.records[n:]...)
	}
}

// handed says whether the record is out of the owner's hands: taken, or of a
// kind that no repetition helps.
func (o *outbox) handed(a *eventlog.Appender, r eventlog.Record) bool {
	err := a.Append(r, nil)
	switch {
	case err == nil:
		return true
	case errors.Is(err, eventlog.ErrBusy):
		return false
	}
	o.w.log.Error("append", "topic", r.Topic, "partition", r.Partition, "err", err)
	return true
}
