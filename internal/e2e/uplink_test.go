package e2e

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"

	"waybill/client"
	"waybill/internal/eventlog"
	"waybill/schemas"
)

// TestUplinks: what a device sends stands in its app's topic as any Kafka
// client reads it: the value is the application's bytes, headers say the rest.
// Requests too: nobody answers them yet, and the device hears that.
func TestUplinks(t *testing.T) {
	t.Parallel()
	w := start(t, config(t))
	p := w.phone("driver-1", "phone")
	w.awaitConnected(p)
	for n := range 3 {
		if err := p.client.Send(t.Context(), 10, 0x0100, fmt.Appendf(nil, "location %d", n)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := p.client.Request(t.Context(), 11, 0x0203, []byte("any orders?"))
	var refused *client.StatusError
	if !errors.As(err, &refused) || refused.Reason != schemas.Reason_REASON_NO_HANDLER || refused.Message == "" {
		t.Fatalf("the request was answered with %v, want no_handler", err)
	}
	want := []string{"10/256 location 0", "10/256 location 1", "10/256 location 2", "11/515 any orders?"}
	for n, r := range w.readUplinks(len(want)) {
		if got := r.headers["family"] + "/" + r.headers["command"] + " " + r.value; got != want[n] {
			t.Errorf("uplink %d is %q, want %q", n, got, want[n])
		}
		if r.headers["user"] != "driver-1" || r.headers["device"] != "phone" {
			t.Errorf("uplink %d has the headers %v", n, r.headers)
		}
		if trace := "00-" + hex.EncodeToString(r.event.TraceId); len(r.headers["traceparent"]) != 55 || r.headers["traceparent"][:35] != trace {
			t.Errorf("uplink %d has traceparent %q, want %s…", n, r.headers["traceparent"], trace)
		}
		if u := r.event.Uplinked; u.Request != (n == 3) || u.Tries != 1 || int(u.Size) != len(r.value) {
			t.Errorf("uplink %d is said to be %v", n, u)
		}
	}
}

// uplink is one record of the app's topic.
type uplink struct {
	value   string
	headers map[string]string
	event   *schemas.Event
}

// readUplinks waits for n uplinks of one user.
func (w *world) readUplinks(n int) (all []uplink) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	found := make(chan uplink, n)
	err := w.log.Follow(ctx, eventlog.FollowConfig{
		Topic: eventlog.UplinkTopic(w.App.Name),
		Serve: func(ctx context.Context, p *eventlog.Partition) error {
			if err := p.Start(eventlog.FromStart, nil); err != nil {
				return err
			}
			for {
				b, err := p.Next(ctx)
				if err != nil {
					return nil // enough
				}
				for i := range b.Entries {
					e := &b.Entries[i]
					u := uplink{value: string(e.Value), headers: make(map[string]string), event: e.Event}
					for _, h := range e.Headers {
						u.headers[h.Key] = string(h.Value)
					}
					if found <- u; len(found) == n {
						cancel()
					}
				}
			}
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if len(found) != n {
		w.t.Fatalf("the topic has %d uplinks, want %d", len(found), n)
	}
	close(found)
	for u := range found {
		all = append(all, u)
	}
	return all
}
