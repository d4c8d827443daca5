package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"waybill/client"
	"waybill/internal/e2e/ledger"
	"waybill/internal/eventlog"
)

// TestKafkaAway: while the log is away nothing is accepted, nobody logs in and
// every connection stays; when it is back everybody goes on where they were.
func TestKafkaAway(t *testing.T) {
	t.Parallel()
	w := start(t, config(t))
	slow := make(chan struct{}) // the application works on its first push across the outage
	busy := &phone{user: "busy", device: "phone"}
	busy.start(t, w, func(c *client.Config) { c.Handler = busy.slowly(slow) })
	idle := w.phone("idle", "phone")
	w.awaitConnected(busy, idle)
	first := w.push(request{User: "busy"})
	busy.await(t, "the handler to work", func() bool { return busy.working() })

	if err := w.StopKafka(); err != nil {
		t.Fatal(err)
	}
	close(slow)
	busy.awaitPushes(t, 1) // acknowledged to a gate that cannot report it
	var g errgroup.Group
	g.Go(func() error { return idle.client.Send(t.Context(), 10, 1, []byte("from the outage")) })
	doubt := make(chan string, 1)
	g.Go(func() error {
		id, err := w.pushInDoubt(request{User: "idle", Family: 7, JSON: "doubt", PushID: "order-1"})
		doubt <- id
		return err
	})
	w.awaitRefusal("nobody")
	late := w.phone("late", "phone")
	late.await(t, "a login to be turned away", func() bool { return late.turnedAway() > 0 })
	named := <-doubt
	if late.Online() {
		t.Error("a phone has logged in while the log was away")
	}

	if err := w.StartKafka(); err != nil {
		t.Fatal(err)
	}
	w.awaitConnected(late)
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	if u := w.readUplinks(1); u[0].value != "from the outage" {
		t.Errorf("the uplink is %q", u[0].value)
	}
	for _, id := range []string{named, "order-1"} { // both are its name
		w.pushUntilTaken(request{User: "idle", JSON: "doubt", PushID: id})
	}
	w.pushUntilTaken(request{User: "idle", JSON: "last"})
	idle.await(t, "the last push", func() bool { return count(idle.got(), `"last"`) > 0 })
	if n := count(idle.got(), `"doubt"`); n != 1 {
		t.Errorf("the push in doubt was handed over %d times, want once", n)
	}
	id := first.id(t, 0)
	w.books.await(t, "the cursor of the outage to be reported", func(l *ledger.Ledger) bool {
		_, x := l.ByID(id)
		return x != nil && ledger.Delivered(x.Whole)
	})
	poll(t, "the trace of a push from before the outage", func() error {
		m, err := w.message(id)
		if err == nil && m.State != "delivered" {
			err = errors.New(m.Verdict)
		}
		return err
	})
	w.settledChecksum()
	for _, p := range []*phone{busy, idle} {
		if n := p.Homes(); n != 1 || !p.Online() {
			t.Errorf("%s has connected %d times (%v), want its first connection to live", p.name(), n, p.Ends())
		}
	}
}

// TestPartitionAway: one partition of the log fails, and only its users notice.
func TestPartitionAway(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Faults = new(eventlog.Faults)
	w := start(t, cfg)
	here, there := w.twoPartitions()
	a, b := w.phone(here, "phone"), w.phone(there, "phone")
	w.awaitConnected(a, b)
	w.awaitDelivered()
	handed := len(b.got())

	cfg.Faults.Fail(eventlog.EventsTopic, w.partitionOf(here), errors.New("the partition has no leader"))
	w.awaitRefusal(here)
	w.push(request{User: there})
	resp, body, err := w.post(t.Context(), request{Users: []string{here, there}, Family: 7, JSON: 1})
	if err != nil {
		t.Fatal(err)
	}
	var both answer
	if err := json.Unmarshal(body, &both); err != nil || resp.StatusCode != http.StatusMultiStatus ||
		both.Pushes[0].Status != "busy" || both.Pushes[1].Status != "accepted" {
		t.Errorf("a push to both: %s: %s; want 207, busy and accepted", resp.Status, body)
	}
	b.awaitPushes(t, handed+2)

	cfg.Faults.Clear()
	w.pushUntilTaken(request{User: here, JSON: "back"})
	a.await(t, "the push after the outage", func() bool { return count(a.got(), `"back"`) == 1 })
	w.awaitDelivered()
	for _, p := range []*phone{a, b} {
		if n := p.Homes(); n != 1 || !p.Online() {
			t.Errorf("%s has connected %d times (%v), want its first connection to live", p.name(), n, p.Ends())
		}
	}
}

// pushInDoubt pushes while the log is away: the answer comes late, says that it
// does not know, and names the push for a second try.
func (w *world) pushInDoubt(r request) (id string, err error) {
	resp, b, err := w.post(w.t.Context(), r)
	if err != nil {
		return "", err
	}
	var a answer
	if err := json.Unmarshal(b, &a); err != nil || resp.StatusCode != http.StatusGatewayTimeout ||
		a.Status != "unknown" || len(a.Pushes) != 1 || resp.Header.Get("Retry-After") == "" {
		return "", fmt.Errorf("a push into the outage: %s: %s; want 504 and the push's id", resp.Status, b)
	}
	return a.Pushes[0].PushID, nil
}

// awaitRefusal waits until a push is refused at once: surely not in the log.
// Calls before that one are in doubt; nobody waits for their answers.
func (w *world) awaitRefusal(user string) {
	w.t.Helper()
	poll(w.t, "a push to be refused", func() error {
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
		defer cancel()
		resp, b, err := w.post(ctx, request{User: user, Family: 7, JSON: 1, TTL: seconds(1)})
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusServiceUnavailable {
			return fmt.Errorf("%s: %s", resp.Status, b)
		}
		if resp.Header.Get("Retry-After") == "" {
			w.t.Errorf("a refusal has no Retry-After: %s", b)
		}
		return nil
	})
}

// pushUntilTaken pushes until the log takes it.
func (w *world) pushUntilTaken(r request) {
	w.t.Helper()
	r.Family = 7
	poll(w.t, "a push to be accepted again", func() error {
		resp, b, err := w.post(w.t.Context(), r)
		if err == nil && resp.StatusCode != http.StatusAccepted {
			err = fmt.Errorf("%s: %s", resp.Status, b)
		}
		return err
	})
}

// count the pushes with a body.
func count(pushes []client.Push, body string) (n int) {
	for _, p := range pushes {
		if string(p.Body) == body {
			n++
		}
	}
	return n
}

// twoPartitions finds two users whose keys lie in different partitions: each
// has been pushed to.
func (w *world) twoPartitions() (string, string) {
	w.t.Helper()
	const first = "user-0"
	w.push(request{User: first})
	for _, other := range []string{"user-1", "user-2", "user-3", "user-4", "user-5", "user-6", "user-7", "user-8"} {
		w.push(request{User: other, TTL: seconds(0)})
		if w.partitionOf(other) != w.partitionOf(first) {
			return first, other
		}
	}
	w.t.Fatal("all users are in one partition")
	return "", ""
}

// awaitDelivered waits until no push is without an outcome.
func (w *world) awaitDelivered() {
	w.t.Helper()
	w.books.await(w.t, "all outcomes", func(l *ledger.Ledger) bool { return l.Unended == 0 })
}
