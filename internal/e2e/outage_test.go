package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"waybill/internal/app"
)

// The load while a broker is away: few devices, so that each gets much.
const (
	outageUsers = 30
	outageWarm  = 3 * time.Second // of load before the kill
	// outageReturn is how soon after the broker's first answer all is as before.
	outageReturn = 5 * time.Second
	outageAfter  = 4 * time.Second // of load after that
)

// outage is what a test can afford.
type outage struct {
	away time.Duration
	rate int // calls a second, of one push each
}

// TestOnlyBrokerKilled: the only broker is killed with -9 under load and comes
// back, with its log, after a while. Waybill drops no connection, refuses calls
// for as long as there is nobody to take them, loses nothing that it accepted,
// and is as fast as before within five seconds.
func TestOnlyBrokerKilled(t *testing.T) {
	if onRealEngines() {
		t.Parallel() // a minute of it is waiting
	}
	cfg, o := outageConfig(t)
	w := start(t, cfg)
	phones := w.outagePhones()
	l := w.startLoad(o.rate, outageUser)
	l.pass(outageWarm)
	killed := time.Now()
	if err := w.StopKafka(); err != nil {
		t.Fatal(err)
	}
	l.pass(o.away)
	if err := w.StartKafka(); err != nil {
		t.Fatal(err)
	}
	back := time.Now()
	l.pass(outageReturn)
	before := handed(phones)
	l.pass(outageAfter)
	after := handed(phones)
	l.stop()
	w.awaitDelivered()

	l.checkCalls(killed, back.Add(outageReturn))
	if l.refused() == 0 {
		t.Error("no call was refused with 503")
	}
	if got, want := after-before, o.rate*int(outageAfter/time.Second); got < want*8/10 {
		t.Errorf("from %v after the return on, phones were handed %d pushes in %v, want %d", outageReturn, got, outageAfter, want)
	}
	l.checkHanded(phones)
	checkHeld(t, phones)
	t.Logf("away for %v: %s", back.Sub(killed).Round(time.Millisecond), l.describe(killed, back))
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
// the embedded one, in a process of its own, for a moment, at a rate that two
// busy cores carry under the race detector.
func outageConfig(t *testing.T) (setup, outage) {
	t.Helper()
	cfg := config(t)
	if onRealEngines() {
		return cfg, outage{away: time.Minute, rate: 400}
	}
	kafka := startEmbeddedBroker(t, filepath.Join(cfg.Dir, "kafka"))
	cfg.engines = &engines{kafka: kafka}
	cfg.External.Kafka = kafka.addrs()
	return cfg, outage{away: 5 * time.Second, rate: 60}
}

// handed is how much all phones' applications have been handed.
func handed(phones []*phone) (n int) {
	for _, p := range phones {
		n += len(p.got())
	}
	return n
}

// checkCalls: nothing but 202, save for calls that were open after the kill and
// made before the end; those were refused with 503, or are in doubt (504).
func (l *load) checkCalls(killed, end time.Time) {
	l.w.t.Helper()
	for _, c := range l.calls() {
		switch {
		case c.err != nil:
			l.w.t.Errorf("call %d: %v", c.n, c.err)
		case c.status == http.StatusAccepted:
		case c.answered.Before(killed) || c.made.After(end):
			l.w.t.Errorf("call %d was answered %d, made %v after the kill and %v before the end of the outage",
				c.n, c.status, c.made.Sub(killed), end.Sub(c.made))
		case c.retryAfter == "":
			l.w.t.Errorf("call %d was answered %d without Retry-After", c.n, c.status)
		case c.status != http.StatusServiceUnavailable && c.status != http.StatusGatewayTimeout:
			l.w.t.Errorf("call %d was answered %d", c.n, c.status)
		}
	}
}

// refused is how many calls were surely not taken.
func (l *load) refused() (n int) {
	for _, c := range l.calls() {
		if c.status == http.StatusServiceUnavailable {
			n++
		}
	}
	return n
}

// checkHanded: what was accepted was handed over once, what was refused never,
// what is in doubt once at most.
func (l *load) checkHanded(phones []*phone) {
	l.w.t.Helper()
	times := make(map[string]int)
	for _, p := range phones {
		for _, push := range p.got() {
			times[string(push.Body)]++
		}
	}
	for _, c := range l.calls() {
		n := times[strconv.Itoa(c.n)]
		low, high := 0, 1
		switch c.status {
		case http.StatusAccepted:
			low = 1
		case http.StatusServiceUnavailable:
			high = 0
		}
		if n < low || n > high {
			l.w.t.Errorf("the push of call %d, answered %d, was handed over %d times", c.n, c.status, n)
		}
	}
}

// describe counts the answers before, in and after the outage.
func (l *load) describe(killed, back time.Time) string {
	counts := make(map[string]int)
	var last time.Time // refusal
	for _, c := range l.calls() {
		when := "before"
		if c.made.After(back) {
			when = "after"
		} else if c.answered.After(killed) {
			when = "while"
		}
		counts[fmt.Sprintf("%s %d", when, c.status)]++
		if c.status != http.StatusAccepted && c.made.After(last) {
			last = c.made
		}
	}
	return fmt.Sprintf("%v; the last call that was not accepted was made %v after the return",
		strings.TrimPrefix(fmt.Sprint(counts), "map"), last.Sub(back).Round(time.Millisecond))
}

// answered is what became of one call.
type answered struct {
	n              int
	made, answered time.Time
	status         int
	retryAfter     string
	err            error
}

// post makes one call of one push, whose body is the call's number.
func (l *load) post(ctx context.Context, n int) answered {
	c := answered{n: n, made: time.Now()}
	body, err := json.Marshal(request{User: l.user(n), Family: 7, JSON: n})
	if err != nil {
		c.err = err
		return c
	}
	resp, _, err := callOn(ctx, l.client, http.MethodPost, l.w.url(app.DevIngest)+"/v1/pushes", l.w.pushHeader(), body)
	c.answered, c.err = time.Now(), err
	if err == nil {
		c.status, c.retryAfter = resp.StatusCode, resp.Header.Get("Retry-After")
	}
	return c
}
