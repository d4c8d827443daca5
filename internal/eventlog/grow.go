package eventlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"waybill/schemas"
)

// GrowConfig of a Grow. Zero durations take their defaults.
type GrowConfig struct {
	Partitions  int32 // of the next epoch's topic; more than it has now
	Replication int16
	// Ask is how long answers are waited for before the next epoch is announced
	// (default 2 s): who has appended facts by then is known.
	Ask time.Duration
	// Gone is how long somebody who has not moved on may say nothing until he
	// counts as gone (default 10 s). What he appends later comes behind a seal.
	Gone time.Duration
	// Wait is how long those who answer, and have not moved on, are waited for
	// (default 1 min). Then nothing is sealed.
	Wait time.Duration
}

func (c *GrowConfig) setDefaults() {
	if c.Ask == 0 {
		c.Ask = 2 * time.Second
	}
	if c.Gone == 0 {
		c.Gone = 10 * time.Second
	}
	if c.Wait == 0 {
		c.Wait = time.Minute
	}
}

// again is how often an announcement is said.
const again = time.Second

// ErrNotMoved ends a Grow that would have to seal while somebody still appends
// to the epoch before.
var ErrNotMoved = errors.New("not all who append facts have moved to the next epoch: nothing was sealed; say it again when they can")

// Announced reads the control topic to its end: the newest epoch of
// waybill.events.
func (l *Log) Announced(ctx context.Context) (now Announced, err error) {
	err = l.readToEnd(ctx, ControlTopic, func(e *schemas.Event) {
		if a, ok := announced(e); ok && a.Epoch >= now.Epoch {
			now = a
		}
	})
	return now, err
}

// readToEnd shows f what a topic of one partition holds now.
func (l *Log) readToEnd(ctx context.Context, topic string, f func(*schemas.Event)) error {
	if _, err := l.Partitions(ctx, topic); err != nil {
		return fmt.Errorf("read %s: %w", topic, err)
	}
	var failed error
	err := l.Follow(ctx, FollowConfig{Topic: topic, Serve: func(ctx context.Context, p *Partition) error {
		failed = readPartition(ctx, p, f)
		return nil
	}})
	if err = errors.Join(err, failed, ctx.Err()); err != nil {
		return fmt.Errorf("read %s to its end: %w", topic, err)
	}
	return nil
}

func readPartition(ctx context.Context, p *Partition, f func(*schemas.Event)) error {
	end, err := p.End(ctx)
	if err != nil {
		return err
	}
	if err := p.Start(FromStart, nil); err != nil {
		return err
	}
	for next := p.Offset(); next < end; {
		b, err := p.Next(ctx)
		if err != nil {
			return err
		}
		for i := range b.Entries {
			f(b.Entries[i].Event)
		}
		next = b.Next
	}
	return nil
}

// Grow puts the next epoch of waybill.events, with more partitions, in the place
// of the present one, while everybody works: docs/decisions/0016. It may be said
// again after any error, and goes on; the session projector does the rest.
func (l *Log) Grow(ctx context.Context, cfg GrowConfig) error {
	cfg.setDefaults()
	now, err := l.Announced(ctx)
	if err != nil {
		return fmt.Errorf("grow the log: %w", err)
	}
	to := Announced{Epoch: now.Epoch + 1, Partitions: cfg.Partitions}
	if now.Epoch > 0 && !now.Done {
		to = now // it broke off
	}
	g := &growth{log: l, cfg: cfg, to: to, began: time.Now(), heard: make(map[speaker]voice)}
	if g.appender, err = l.NewAppender(AppenderConfig{}); err != nil {
		return fmt.Errorf("grow the log: %w", err)
	}
	defer g.appender.Close()
	if err := g.run(ctx, now); err != nil {
		return fmt.Errorf("grow the log to %s: %w", EventsOf(to.Epoch), err)
	}
	return nil
}

// growth is one Grow.
type growth struct {
	log      *Log
	cfg      GrowConfig
	appender *Appender
	to       Announced
	began    time.Time
	heard    map[speaker]voice
}

// speaker is one process: two may have one node name by mistake.
type speaker struct {
	node   string
	origin uint64 // of what it answers with
}

// voice is the newest answer of a speaker.
type voice struct {
	epoch uint16
	at    time.Time
}

func (g *growth) run(ctx context.Context, now Announced) error {
	if g.to.Partitions != g.cfg.Partitions {
		return fmt.Errorf("%w: a change to %d partitions is under way; allowed: %d, to go on with it", ErrTopicDiffers, g.to.Partitions, g.to.Partitions)
	}
	if err := g.log.CreateTopics(ctx, []TopicSpec{EventsSpec(g.to.Epoch, g.cfg.Partitions, g.cfg.Replication)}); err != nil {
		return err
	}
	listening, stop := context.WithCancel(ctx)
	answers, ended := make(chan answer), make(chan error, 1)
	go func() { ended <- g.listen(listening, answers) }()
	err := g.lead(ctx, now, answers)
	stop()
	if err := errors.Join(err, <-ended); err != nil {
		return err
	}
	return g.seal(ctx)
}

// answer is what one process says of itself; nobody's: the listening has begun.
type answer struct {
	speaker
	epoch uint16
}

// listen hands on what is answered from now on.
func (g *growth) listen(ctx context.Context, answers chan<- answer) error {
	hand := func(ctx context.Context, a answer) {
		select {
		case answers <- a:
		case <-ctx.Done():
		}
	}
	return g.log.Follow(ctx, FollowConfig{Topic: GatesTopic, Serve: func(ctx context.Context, p *Partition) error {
		if err := p.Start(FromEnd, nil); err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		hand(ctx, answer{})
		for {
			b, err := p.Next(ctx)
			if err != nil {
				return nil //nolint:nilerr // all has been heard
			}
			for i := range b.Entries {
				x := &b.Entries[i]
				if node, ok := strings.CutPrefix(string(x.Key), epochKey+"/"); ok && x.Event.GetKind() == schemas.Kind_KIND_TICK {
					hand(ctx, answer{speaker{node, x.Event.Origin}, uint16(x.Event.GetTick().GetEpoch())})
				}
			}
		}
	}})
}

// lead asks, announces, and returns when nobody appends to the former epoch any
// more.
func (g *growth) lead(ctx context.Context, now Announced, answers <-chan answer) error {
	select {
	case <-answers:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := g.tell(ctx, now, answers, time.After(g.cfg.Ask), func() bool { return false }); err != nil {
		return err
	}
	g.log.cfg.Log.Info("the next epoch is announced", "topic", EventsOf(g.to.Epoch), "partitions", g.to.Partitions, "appenders", len(g.heard))
	if err := g.tell(ctx, g.to, answers, time.After(g.cfg.Wait), func() bool { return len(g.left()) == 0 }); err != nil {
		return err
	}
	if left := g.left(); len(left) > 0 {
		return fmt.Errorf("%w (waiting for %s)", ErrNotMoved, strings.Join(left, ", "))
	}
	return nil
}

// tell says an epoch, once in a while, and hears the answers, until that is
// enough or the time is over.
func (g *growth) tell(ctx context.Context, what Announced, answers <-chan answer, over <-chan time.Time, enough func() bool) error {
	tick := time.NewTicker(again)
	defer tick.Stop()
	say := true
	for {
		if say {
			if err := g.say(ctx, what); err != nil {
				return err
			}
		}
		if say = false; enough() {
			return nil
		}
		select {
		case a := <-answers:
			g.heard[a.speaker] = voice{a.epoch, time.Now()}
		case <-tick.C:
			say = true
		case <-over:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// left are those who may still append to the former epoch.
func (g *growth) left() (nodes []string) {
	for who, v := range g.heard {
		if v.epoch < g.to.Epoch && time.Since(v.at) < g.cfg.Gone {
			nodes = append(nodes, who.node)
		}
	}
	slices.Sort(nodes)
	return nodes
}

// say puts an epoch into the control topic.
func (g *growth) say(ctx context.Context, a Announced) error {
	value, err := a.event().MarshalVT()
	if err != nil {
		return fmt.Errorf("announce: %w", err)
	}
	_, err = g.appender.AppendWait(ctx, Record{Topic: ControlTopic, Partition: ByKey, Key: []byte(epochKey), Value: value, Urgent: true})
	return err
}

func (a Announced) event() *schemas.Event {
	return &schemas.Event{
		Kind: schemas.Kind_KIND_SEALED, Time: time.Now().UnixMicro(),
		Sealed: &schemas.Sealed{Epoch: uint32(a.Epoch), Partitions: uint32(a.Partitions), Done: a.Done},
	}
}

// seal ends each partition of the former epoch, then says that all are.
func (g *growth) seal(ctx context.Context) error {
	former := EventsOf(g.to.Epoch - 1)
	n, err := g.log.Partitions(ctx, former)
	if err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	ends := make(chan error, n)
	for i := range n {
		value, err := g.to.event().MarshalVT()
		if err != nil {
			return fmt.Errorf("seal %s/%d: %w", former, i, err)
		}
		go func() {
			_, err := g.appender.AppendWait(ctx, Record{Topic: former, Partition: i, Value: value, Urgent: true})
			ends <- err
		}()
	}
	for range n {
		err = errors.Join(err, <-ends)
	}
	if err != nil {
		return fmt.Errorf("seal %s: %w", former, err)
	}
	g.to.Done = true
	g.log.cfg.Log.Info("the former epoch is sealed", "topic", former, "partitions", n, "seconds", time.Since(g.began).Seconds())
	return g.say(ctx, g.to)
}
