package e2e

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"
)

// The load while a broker is away: few devices, so that each gets much.
const (
	outageUsers = 30
	outageWarm  = 3 * time.Second // of load before the kill
	// outageReturn is how soon after the broker's first answer all is as before:
	// from then on each of the next seconds must carry the whole load.
	outageReturn = 5 * time.Second
	outageAfter  = 3 // seconds that are looked at
)

// outage is what a test can afford.
type outage struct {
	away time.Duration
	rate int // calls a second, of one push each
	// soon bounds a refusal that comes at once, and the time from when a call is to
	// be made until its push is delivered and acknowledged: more is a backlog.
	soon time.Duration
}

// TestOnlyBrokerKilled: the only broker is killed with -9 under load and comes
// back, with its log, after a while. Waybill drops no connection, refuses calls
// for as long as there is nobody to take them, loses nothing that it accepted,
// and carries the whole load again within five seconds.
func TestOnlyBrokerKilled(t *testing.T) {
	if onRealEngines() {
		t.Parallel() // a minute of it is waiting
	}
	cfg, o := outageConfig(t)
	w := start(t, cfg)
	phones := w.outagePhones()
	l := w.startLoad(o.rate, outageUser)
	l.pass(outageWarm)
	a := absence{killed: time.Now(), soon: o.soon}
	if err := w.StopKafka(); err != nil {
		t.Fatal(err)
	}
	a.gone = time.Now()
	l.pass(o.away)
	if err := w.StartKafka(); err != nil { // returns upon the first answer to a question for metadata
		t.Fatal(err)
	}
	a.back = time.Now()
	a.until = a.back.Add(outageReturn)
	l.pass(outageReturn + (outageAfter+1)*time.Second) // the last second is whole
	l.stop()
	l.sayAgain()
	w.awaitDelivered()

	l.checkAnswers(a)
	l.checkRefusals(a)
	const before = int(outageReturn / time.Second)
	seconds := l.seconds(a, before+outageAfter)
	for _, s := range seconds[before:] {
		s.check(t, o.rate)
	}
	l.checkHanded(phones)
	checkHeld(t, phones)
	t.Logf("open loop of %d calls a second, one push each; the broker was away for %v\n%s\n%s",
		o.rate, a.back.Sub(a.killed).Round(time.Millisecond), l.describe(a), table(seconds))
}

// checkHeld: each phone has its first connection still, and was handed what it
// was handed in order.
func checkHeld(t *testing.T, phones []*phone) {
	t.Helper()
	for _, p := range phones {
		if n := p.Homes(); n != 1 || !p.Online() {
			t.Errorf("%s has connected %d times (%v), want its first connection to live", p.name(), n, p.Ends())
		}
		for _, d := range p.disorder {
			t.Error(d)
		}
	}
}

// outagePhones are online, and each has had a push: brokers that have just
// started are slow, and a call that is refused for that is none of the outage.
func (w *world) outagePhones() (all []*phone) {
	w.t.Helper()
	for n := range outageUsers {
		all = append(all, w.phone(outageUser(n), "phone"))
	}
	w.awaitConnected(all...)
	for n := range outageUsers {
		w.pushUntilTaken(request{User: outageUser(n), JSON: "first"})
	}
	w.awaitDelivered()
	return all
}

func outageUser(n int) string { return fmt.Sprintf("user-%d", n%outageUsers) }

// outageConfig has a broker that can be killed: Apache Kafka for a minute, or
// the embedded one, in a process of its own, for a moment, at a rate and with a
// patience for two busy cores and the race detector.
func outageConfig(t *testing.T) (setup, outage) {
	t.Helper()
	cfg := config(t)
	if onRealEngines() {
		return cfg, outage{away: time.Minute, rate: 400, soon: time.Second}
	}
	kafka := startEmbeddedBroker(t, filepath.Join(cfg.Dir, "kafka"))
	cfg.engines = &engines{kafka: kafka}
	cfg.External.Kafka = kafka.addrs()
	return cfg, outage{away: 5 * time.Second, rate: 100, soon: 3 * time.Second}
}
