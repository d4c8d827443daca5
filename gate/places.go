package gate

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"waybill/internal/eventlog"
)

const (
	// mostAsked is how many apps wait to be asked for; one more is asked for by
	// its next uplink.
	mostAsked = 64
	// askWait bounds one question, so that an app without a topic does not hold
	// up the others.
	askWait = 2 * time.Second
	// sayEvery is how often the same app is complained about.
	sayEvery = time.Minute
)

// places knows for which apps the log has said where their uplinks go. That
// takes a round trip, or an outage, which no loop of sockets may wait for: it is
// asked from a login on, so nearly always before the first uplink. Until the
// answer is there, uplinks of the app are refused as busy.
type places struct {
	facts Facts
	log   *slog.Logger
	asked chan string // never closed; run receives
	apps  sync.Map    // name → *place
}

type place struct {
	ready  atomic.Bool
	asking atomic.Bool // its name is in the channel, or with run
	said   time.Time   // run's: when it last told the operator
}

// newPlaces knows none.
func newPlaces(f Facts, log *slog.Logger) *places {
	return &places{facts: f, log: log, asked: make(chan string, mostAsked)}
}

// has says whether an uplink of the app can be reported without waiting. If not,
// it sees to it that somebody asks. It never blocks.
func (p *places) has(app string) bool {
	v, ok := p.apps.Load(app)
	if !ok {
		v, _ = p.apps.LoadOrStore(app, new(place))
	}
	at := v.(*place)
	if at.ready.Load() {
		return true
	}
	if !at.asking.Swap(true) {
		select {
		case p.asked <- app:
		default:
			at.asking.Store(false)
		}
	}
	return false
}

// run asks for one app after the other until ctx ends. What fails is asked again
// when the next uplink or login comes.
func (p *places) run(ctx context.Context) {
	for {
		select {
		case app := <-p.asked:
			v, _ := p.apps.Load(app)
			at := v.(*place)
			err := p.ask(ctx, app)
			at.say(ctx, p.log, app, err)
			at.ready.Store(err == nil)
			at.asking.Store(false)
		case <-ctx.Done():
			return
		}
	}
}

// say tells the operator of an app whose devices can send nothing up, once in a
// while, since a topic that is missing is made by nobody else; and when that is
// over.
func (at *place) say(ctx context.Context, log *slog.Logger, app string, err error) {
	if err == nil {
		if !at.said.IsZero() {
			log.Info("uplinks of an app are taken", "app", app)
		}
		return
	}
	if now := time.Now(); ctx.Err() == nil && now.Sub(at.said) >= sayEvery {
		at.said = now
		log.Warn("uplinks of an app are refused", "app", app, "err", err)
	}
}

func (p *places) ask(ctx context.Context, app string) error {
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	return p.facts.Prepare(ctx, eventlog.UplinkTopic(app))
}
