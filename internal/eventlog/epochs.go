package eventlog

import (
	"context"
	"fmt"
	"sync"
	"time"

	"waybill/schemas"
)

// epochKey is the key of the announcements in the control topic: the newest one
// stays.
const epochKey = "epoch"

// Announced is what the control topic says of waybill.events. Its zero value is
// that of a log that has never grown.
type Announced struct {
	Epoch      uint16
	Partitions int32 // of that epoch's topic; 0 = nobody has said
	Done       bool  // every partition of the epoch before has its seal
}

// announced reads a record of the control topic; false where it says nothing of
// epochs.
func announced(e *schemas.Event) (Announced, bool) {
	if e.GetKind() != schemas.Kind_KIND_SEALED {
		return Announced{}, false
	}
	b := e.GetSealed()
	return Announced{uint16(b.GetEpoch()), int32(b.GetPartitions()), b.GetDone()}, true
}

// Epochs is which epoch of waybill.events the process is to append to, as the
// control topic says. Appenders that have it in their config follow it; see
// AppenderConfig.Epochs. Its methods are for any goroutine.
type Epochs struct {
	log   *Log
	ready chan struct{} // closed when the topic has been read to its end as of Run's beginning

	mu        sync.Mutex
	now       Announced
	changed   chan struct{} // closed by the next announcement
	appenders map[*Appender]bool
	asked     chan struct{} // one place: somebody asks where the appenders stand
}

// NewEpochs knows nothing before Run.
func (l *Log) NewEpochs() *Epochs {
	return &Epochs{
		log: l, ready: make(chan struct{}), changed: make(chan struct{}),
		appenders: make(map[*Appender]bool), asked: make(chan struct{}, 1),
	}
}

// Ready is closed when the epoch is known. An appender that follows it refuses
// facts before.
func (e *Epochs) Ready() <-chan struct{} { return e.ready }

// Now is what was announced last, and a channel that is closed at the next.
func (e *Epochs) Now() (Announced, <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.now, e.changed
}

// Run follows the control topic until ctx ends, leads the appenders into each
// epoch that is announced, and answers whoever asks where they stand.
func (e *Epochs) Run(ctx context.Context) error {
	answers, err := e.log.NewAppender(AppenderConfig{})
	if err != nil {
		return fmt.Errorf("follow the epochs: %w", err)
	}
	defer answers.Close()
	ctx, cancel := context.WithCancel(ctx)
	var led sync.WaitGroup
	led.Go(func() { e.lead(ctx, answers) })
	defer led.Wait()
	defer cancel()
	err = e.log.Follow(ctx, FollowConfig{Topic: ControlTopic, Serve: func(ctx context.Context, p *Partition) error {
		return e.serve(ctx, p, answers)
	}})
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("follow the epochs: %w", err)
	}
	return nil
}

// serve reads from the beginning. Nobody is answered before the end is reached:
// what is asked on the way there is long over.
func (e *Epochs) serve(ctx context.Context, p *Partition, answers *Appender) error {
	end, err := p.End(ctx)
	if err != nil {
		return fmt.Errorf("look up the end: %w", err)
	}
	if err := p.Start(FromStart, nil); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	for next, said := p.Offset(), true; ; {
		if next >= end && said {
			e.wake()
			if known(e.ready) {
				e.answer(answers)
			}
			said = false
		}
		b, err := p.Next(ctx)
		if err != nil {
			return nil //nolint:nilerr // the reader is being stopped
		}
		said = e.note(b.Entries) || said
		next = b.Next
	}
}

// note takes the announcements of a batch; false where it has none.
func (e *Epochs) note(entries []Entry) (said bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range entries {
		a, ok := announced(entries[i].Event)
		if said = said || ok; ok && a.Epoch >= e.now.Epoch {
			e.now = a
		}
	}
	if said {
		close(e.changed)
		e.changed = make(chan struct{})
	}
	return said
}

func known(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// wake has the leader look.
func (e *Epochs) wake() {
	select {
	case e.asked <- struct{}{}:
	default: // it will
	}
}

// add lets the appender follow.
func (e *Epochs) add(a *Appender) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.appenders[a] = true
	if known(e.ready) {
		e.wake()
	}
}

func (e *Epochs) drop(a *Appender) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.appenders, a)
}

// lead brings the appenders into the newest epoch each time that something was
// said, and answers when they are there. What they drain may take long; who asks
// meanwhile is answered by serve.
func (e *Epochs) lead(ctx context.Context, answers *Appender) {
	for {
		select {
		case <-e.asked:
		case <-ctx.Done():
			return
		}
		to, all := e.followers()
		for _, a := range all {
			if err := a.enter(ctx, to); err != nil {
				return // ctx has ended
			}
		}
		e.answer(answers)
		if !known(e.ready) {
			e.log.cfg.Log.Info("epoch of the log", "epoch", to, "topic", EventsOf(to))
			close(e.ready)
		}
	}
}

// followers are the appenders, and where they are to go.
func (e *Epochs) followers() (to uint16, all []*Appender) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for a := range e.appenders {
		all = append(all, a)
	}
	return e.now.Epoch, all
}

// answer says to which epoch at the earliest this process may still append. It
// says nothing where it appends no facts.
func (e *Epochs) answer(answers *Appender) {
	_, all := e.followers()
	if len(all) == 0 {
		return
	}
	oldest := all[0].line.at()
	for _, a := range all {
		oldest = min(oldest, a.line.at())
	}
	ev := &schemas.Event{
		Kind: schemas.Kind_KIND_TICK, Node: e.log.cfg.Node, Time: time.Now().UnixMicro(),
		Tick: &schemas.Tick{Epoch: uint32(oldest)},
	}
	value, err := ev.MarshalVT()
	if err != nil {
		return // cannot happen: the message is ours
	}
	// A refused answer is not repeated: whoever asks asks again.
	_ = answers.Append(Record{Topic: GatesTopic, Partition: ByKey, Key: []byte(epochKey + "/" + e.log.cfg.Node), Value: value, Urgent: true}, nil)
}
