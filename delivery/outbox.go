package delivery

import (
	"errors"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// appender is an eventlog.Appender.
type appender interface {
	Append(eventlog.Record, func(eventlog.Appended, error)) error
}

// outbox holds what has been put out and the appenders do not take yet. Each
// gate has a queue of its own: a partition of waybill.dispatch that is slow or
// away keeps its own commands waiting, up to a bound, and nobody else's. One
// goroutine owns it.
type outbox struct {
	log       *slog.Logger
	commands  appender
	decisions *queue
	topic     string // of the partition, where decisions go
	gates     map[uint32]*gateQueue
	chunk     []byte // what is encoded next goes here
}

func newOutbox(log *slog.Logger, decisions, commands appender) *outbox {
	return &outbox{log: log, commands: commands, decisions: newQueue(log, decisions), topic: eventlog.EventsTopic, gates: make(map[uint32]*gateQueue)}
}

// queue keeps the order of what goes through it.
type queue struct {
	log     *slog.Logger
	to      appender
	records []eventlog.Record
	bytes   int
	again   time.Time                      // it was busy: not asked before
	done    func(eventlog.Appended, error) // bound once, so that no append allocates it
	lost    atomic.Bool                    // one was refused for good: set by the appender's callbacks too
}

// gateQueue is the way to one gate, as far as it is outside the core.
type gateQueue struct {
	*queue
	key   []byte
	busy  bool
	resay time.Time // what was lost is not said again before
}

// A queue that holds so much is busy until half of it has gone. What is put out
// at once comes on top: see Settings.Burst. The owner of a busy queue of
// decisions stops reading: its own partition takes nothing.
const (
	mostRecords = 4096
	mostBytes   = 4 << 20
)

// askAgain is how long a partition that refused is left alone: to ask at each
// flush would cost more than it brings.
const askAgain = 5 * time.Millisecond

func newQueue(log *slog.Logger, to appender) *queue {
	q := &queue{log: log, to: to}
	q.done = func(_ eventlog.Appended, err error) {
		if err != nil && !errors.Is(err, eventlog.ErrClosed) {
			q.lost.Store(true)
		}
	}
	return q
}

// full says whether the queue holds its bound, or did and is not half empty.
func (q *queue) full(was bool) bool {
	if was {
		return len(q.records) > mostRecords/2 || q.bytes > mostBytes/2
	}
	return len(q.records) >= mostRecords || q.bytes >= mostBytes
}

// add hands the record over, or keeps it behind others that wait.
func (q *queue) add(r eventlog.Record) {
	if len(q.records) == 0 && q.handed(&r) {
		return
	}
	q.records = append(q.records, r)
	q.bytes += len(r.Key) + len(r.Value)
}

// send hands over what is taken; the rest waits for the next call.
func (q *queue) send(now time.Time) {
	if len(q.records) == 0 || now.Before(q.again) {
		return
	}
	n := 0
	for n < len(q.records) && q.handed(&q.records[n]) {
		q.bytes -= len(q.records[n].Key) + len(q.records[n].Value)
		n++
	}
	if n < len(q.records) {
		q.again = now.Add(askAgain)
	}
	rest := copy(q.records, q.records[n:])
	clear(q.records[rest:])
	q.records = q.records[:rest]
}

// handed says whether the record is out of the owner's hands: taken, or refused
// for good.
func (q *queue) handed(r *eventlog.Record) bool {
	err := q.to.Append(*r, q.done)
	switch {
	case err == nil:
		return true
	case errors.Is(err, eventlog.ErrBusy):
		return false
	case !q.lost.Swap(true) && !errors.Is(err, eventlog.ErrClosed):
		q.log.Error("append", "topic", r.Topic, "partition", r.Partition, "err", err)
	}
	return true
}

// decide appends a decision under its user's key. All keys that one owner sees
// are of one partition, so one queue keeps their order.
func (o *outbox) decide(e *schemas.Event) {
	key := o.room(len(e.App) + 1 + len(e.User))
	copy(key[copy(key, e.App)+1:], e.User)
	key[len(e.App)] = '/'
	o.decisions.add(eventlog.Record{
		Topic: o.topic, Partition: eventlog.ByKey, Key: key,
		Value: o.encode(e.SizeVT(), e.MarshalToSizedBufferVT), Urgent: e.Kind != schemas.Kind_KIND_OUTCOME,
	})
}

func (o *outbox) claim(partition int32, e *schemas.Event) {
	o.decisions.add(eventlog.Record{
		Topic: o.topic, Partition: partition, Value: o.encode(e.SizeVT(), e.MarshalToSizedBufferVT), Urgent: true,
	})
}

// tick appends a record of the key's partition, past what waits: its place among
// the decisions means nothing.
func (o *outbox) tick(key string, e *schemas.Event, done func(eventlog.Appended, error)) error {
	return o.decisions.to.Append(eventlog.Record{
		Topic: o.topic, Partition: eventlog.ByKey, Key: []byte(key),
		Value: o.encode(e.SizeVT(), e.MarshalToSizedBufferVT), Urgent: true,
	}, done)
}

// command appends to the partition of waybill.dispatch that has the gate's
// number.
func (o *outbox) command(m *schemas.Command) {
	q := o.gates[m.Gate]
	if q == nil {
		q = &gateQueue{queue: newQueue(o.log, o.commands), key: strconv.AppendUint(nil, uint64(m.Gate), 10)}
		o.gates[m.Gate] = q
	}
	q.add(eventlog.Record{
		Topic: eventlog.DispatchTopic, Partition: int32(m.Gate), Key: q.key, Value: o.encode(m.SizeVT(), m.MarshalToSizedBufferVT),
	})
}

// send hands over what waits, and tells the core of gates that are busy, that
// are not any more, or to which something was lost.
func (o *outbox) send(now time.Time, core *Core) {
	o.decisions.send(now)
	for gate, q := range o.gates {
		q.send(now)
		if busy := q.full(q.busy); busy != q.busy {
			q.busy = busy
			core.Busy(gate, busy)
			o.sayBusy(gate, busy)
		}
		if len(q.records) == 0 && q.lost.Load() && !now.Before(q.resay) {
			q.lost.Store(false)
			q.resay = now.Add(lostPause)
			core.Resay(gate)
		}
	}
}

func (o *outbox) sayBusy(gate uint32, busy bool) {
	if busy {
		o.log.Warn("a gate's partition of waybill.dispatch takes too few commands: it is told no more until it does", "gate", gate)
		return
	}
	o.log.Info("a gate's partition of waybill.dispatch takes commands again", "gate", gate)
}

// lostPause lies between two times at which a gate is told everything again, and
// before a new claim: the reason for the loss may last.
const lostPause = time.Second

// chunkSize is the memory that is got at once for what is encoded: it is free
// when the appender has let go of the last record in it.
const chunkSize = 32 << 10

// room is memory of that size, and of no one else.
func (o *outbox) room(n int) []byte {
	if n > len(o.chunk) {
		o.chunk = make([]byte, max(chunkSize, n))
	}
	b := o.chunk[:n:n]
	o.chunk = o.chunk[n:]
	return b
}

// encode leaves space for the stamp, so that the value is not copied again.
func (o *outbox) encode(size int, into func([]byte) (int, error)) []byte {
	b := o.room(size + eventlog.StampSize)
	if _, err := into(b[:size]); err != nil {
		o.log.Error("encode", "err", err) // cannot happen: the message is ours
	}
	return b[:size]
}
