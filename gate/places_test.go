package gate

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"waybill/internal/eventlog"
	"waybill/internal/wire"
)

// slowPlaces answers when the test says what.
type slowPlaces struct {
	*fakeFacts
	asked   chan []string
	answers chan error
}

func (s slowPlaces) Prepare(_ context.Context, topics ...string) error {
	s.asked <- topics
	return <-s.answers
}

// TestUplinksOfANewApp: until the log has said where an app's uplinks go they
// are refused, by a loop that waits for nothing, and never reported.
func TestUplinksOfANewApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		var said bytes.Buffer
		slow := slowPlaces{h.facts, make(chan []string), make(chan error)}
		h.gate.places = newPlaces(slow, slog.New(slog.NewTextHandler(&said, nil)))
		go h.gate.places.run(t.Context()) // the bubble waits for it

		h.do("login seq=1")
		h.do("log")
		if topics := <-slow.asked; len(topics) != 1 || topics[0] != eventlog.UplinkTopic("freight") {
			t.Errorf("asked for %v", topics)
		}
		refused := func(when string) {
			t.Helper()
			if s := h.uplink(); !strings.Contains(s, "{busy: ") || strings.Contains(s, "fact") {
				t.Errorf("an uplink %s: %s", when, s)
			}
		}
		refused("before the answer")
		slow.answers <- errors.New("nobody knows it")
		synctest.Wait()
		if text := said.String(); !strings.Contains(text, "app=freight") || !strings.Contains(text, "nobody knows it") {
			t.Errorf("the operator is told %q", text)
		}
		refused("after an answer that says nothing")
		<-slow.asked // by that uplink
		refused("before the second answer")
		slow.answers <- nil
		synctest.Wait()
		if s := h.uplink(); !strings.Contains(s, "fact uplinked") {
			t.Errorf("an uplink after the answer: %s", s)
		}
	})
}

// uplink sends one and returns what happens.
func (h *harness) uplink() string {
	h.said()
	h.conn.receive(wire.AppendUplink(nil, wire.Header{Family: 5, Sequence: 2, Flags: wire.FlagOneWay}, wire.UplinkPrefix{Lowest: 2}, []byte("here")))
	return h.said()
}
