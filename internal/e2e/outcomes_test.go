package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"waybill/internal/app"
	"waybill/internal/e2e/bell"
	"waybill/internal/eventlog"
	"waybill/schemas"
)

// outcome is a record of the app's topic, as docs/api.md describes it.
type outcome struct {
	Type     string    `json:"type"`
	Position uint64    `json:"position"`
	At       time.Time `json:"at"`
	App      string    `json:"app"`
	User     string    `json:"user"`
	PushID   string    `json:"push_id"`
	Name     string    `json:"name"`
	TraceID  string    `json:"trace_id"`
	Push     uint64    `json:"push_position"`
	Class    string    `json:"class"`
	Reason   string    `json:"reason"`
	Device   string    `json:"device"`
	Platform string    `json:"platform"`
	Attempt  int       `json:"attempt"`
	Label    string    `json:"label"`
	Family   int       `json:"family"`
	Command  int       `json:"command"`

	Accepted, Dispatched, Sent, Delivered, Opened time.Time
	First                                         uint64
}

func (o outcome) String() string { return strings.Trim(o.Type+" "+o.Class+" "+o.Reason, " ") }

// clerk is an app-server that reads its outcomes as docs/api.md says: it passes
// over what is not above the highest position of its user.
type clerk struct {
	bell.Bell
	t testing.TB

	mu      sync.Mutex
	highest map[string]uint64
	heard   map[string][]outcome // by push id
}

func (w *world) clerk() *clerk {
	w.t.Helper()
	c := &clerk{t: w.t, highest: make(map[string]uint64), heard: make(map[string][]outcome)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- w.log.Follow(ctx, eventlog.FollowConfig{Topic: eventlog.OutcomesTopic(w.App.Name), Serve: c.read})
	}()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("read outcomes: %v", err)
		}
	})
	return c
}

func (c *clerk) read(ctx context.Context, p *eventlog.Partition) error {
	if err := p.Start(eventlog.FromStart, nil); err != nil {
		return err
	}
	for {
		b, err := p.Next(ctx)
		if err != nil {
			return nil
		}
		for i := range b.Entries {
			c.hear(&b.Entries[i])
		}
	}
}

func (c *clerk) hear(e *eventlog.Entry) {
	var o outcome
	d := json.NewDecoder(bytes.NewReader(e.Value))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		c.t.Errorf("%s: %v", e.Value, err)
	}
	headers := make(map[string]string)
	for _, h := range e.Headers {
		headers[h.Key] = string(h.Value)
	}
	if headers["position"] != strconv.FormatUint(o.Position, 10) || !strings.HasPrefix(headers["traceparent"], "00-"+o.TraceID) || string(e.Key) != o.App+"/"+o.User {
		c.t.Errorf("%s: key %s, headers %v", e.Value, e.Key, headers)
	}
	c.mu.Lock()
	if o.Position > c.highest[o.User] {
		c.highest[o.User] = o.Position
		c.heard[o.PushID] = append(c.heard[o.PushID], o)
	}
	c.mu.Unlock()
	c.Ring()
}

func (c *clerk) of(id schemas.ID) []outcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.heard[id.String()]
}

// expect waits for what is told of the push, word for word, and returns the last.
func (c *clerk) expect(id schemas.ID, want ...string) outcome {
	c.t.Helper()
	awaitRing(c.t, &c.Bell, fmt.Sprint("the outcome ", want), func() bool { return len(c.of(id)) >= len(want) })
	got := c.of(id)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		c.t.Fatalf("push %v: told %v, want %v", id, got, want)
	}
	return got[len(got)-1]
}

// tell turns the app's outcomes on.
func (w *world) tell() {
	w.t.Helper()
	w.setPolicy(&schemas.AppPolicy{OutcomesSince: time.Now().UnixMicro(), UnreachedAfter: 200})
}

// An app-server hears how each push ended, and early that nobody is connected,
// also across the end of the worker and of its feed; and what died it says again.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	w := start(t, config(t))
	c := w.clerk()
	unheard := w.push(request{User: "driver-0", TTL: seconds(0)}) // before anybody asked for it
	w.awaitEnd(unheard.id(t, 0), schemas.Reason_REASON_NEVER_CONNECTED)
	w.tell()
	p := w.phone("driver-1", "phone")
	w.awaitConnected(p)
	sent := w.push(request{User: p.user, Label: "order"})
	got := c.expect(sent.id(t, 0), "outcome delivered acked")
	if got.App != w.App.Name || got.User != p.user || got.TraceID != sent.Trace || got.Device != p.device || got.Platform != "android" ||
		got.Attempt != 1 || got.Label != "order" || got.Family != 7 || got.Accepted.IsZero() || got.Dispatched.Before(got.Accepted.Add(-time.Second)) ||
		got.Sent.IsZero() || got.Delivered.IsZero() || got.At.Before(got.Accepted.Add(-time.Second)) {
		t.Errorf("%+v", got)
	}
	away := w.push(request{User: "driver-2", TTL: seconds(2), PushID: "o-1"})
	dead := c.expect(away.id(t, 0), "nobody_connected", "outcome lost never_connected")
	if dead.Name != "o-1" || dead.Device != "" {
		t.Errorf("%+v", dead)
	}
	w.outcomesAcrossRestart(c, p)
	if told := c.of(unheard.id(t, 0)); len(told) > 0 {
		t.Errorf("told of a push from before: %v", told)
	}
	w.redriveDead(c, dead)
}

// outcomesAcrossRestart pushes while the delivery stage ends and another begins.
func (w *world) outcomesAcrossRestart(c *clerk, p *phone) {
	w.t.Helper()
	var ids []schemas.ID
	for n := range 40 {
		switch n {
		case 10:
			if err := w.Stop(app.DevDelivery); err != nil {
				w.t.Fatal(err)
			}
		case 30:
			w.restart(app.DevDelivery)
		}
		ids = append(ids, w.push(request{User: p.user, JSON: n}).id(w.t, 0))
	}
	last := uint64(0)
	for _, id := range ids {
		got := c.expect(id, "outcome delivered acked")
		if got.Position <= last {
			w.t.Errorf("%+v is out of order", got)
		}
		last = got.Position
	}
}

// deadLetter is what the console says of one.
type deadLetter struct {
	PushID   string `json:"push_id"`
	TraceID  string `json:"trace_id"`
	Position uint64 `json:"push_position"`
	Reason   string `json:"reason"`
	Redriven bool   `json:"redriven"`
}

// redriveDead finds the dead push among the dead letters and pushes it again.
func (w *world) redriveDead(c *clerk, dead outcome) {
	w.t.Helper()
	var found deadLetter
	poll(w.t, "the dead letter", func() error {
		var page struct {
			Letters []deadLetter `json:"dead_letters"`
		}
		if err := w.getJSON("/v1/dead-letters?user="+dead.User, &page); err != nil || len(page.Letters) != 1 {
			return fmt.Errorf("%d letters, %w", len(page.Letters), err)
		}
		found = page.Letters[0]
		return nil
	})
	if found.PushID != dead.PushID || found.Position != dead.Push || found.Reason != "never_connected" || found.Redriven {
		w.t.Fatalf("%+v is not the letter of %+v", found, dead)
	}
	p := w.phone(dead.User, "phone")
	w.awaitConnected(p)
	again := map[string]any{"user": dead.User, "push_position": dead.Push, "ttl": 60}
	id := w.callFor("/v1/redrives", again, http.StatusAccepted)
	if got := c.expect(id, "outcome delivered acked"); got.TraceID != dead.TraceID || got.Name != "redrive:"+dead.PushID+":1" {
		w.t.Errorf("%+v, after %+v", got, dead)
	}
	if pushes := p.awaitPushes(w.t, 1); string(pushes[0].Body) != `"hello"` {
		w.t.Errorf("got %s", pushes[0].Body)
	}
	if twice := w.callFor("/v1/redrives", again, http.StatusAccepted); twice != id {
		w.t.Errorf("the second redrive is %v, the first %v", twice, id)
	}
	c.expect(id, "outcome delivered acked", "outcome withdrawn duplicate")
	poll(w.t, "the letter to be known as redriven", func() error {
		if err := w.getJSON("/v1/dead-letters/"+dead.PushID, &found); err != nil || !found.Redriven {
			return fmt.Errorf("%+v, %w", found, err)
		}
		return nil
	})
}
