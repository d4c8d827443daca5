package gate

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

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
	h := newHarness(t)
	slow := slowPlaces{h.facts, make(chan []string), make(chan error)}
	h.gate.places = newPlaces(slow)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { h.gate.places.run(ctx) })
	defer wg.Wait()
	defer cancel()

	h.conn.receive(loginFrame(t, "ann", 0))
	h.facts.finish(nil)
	if topics := <-slow.asked; len(topics) != 1 || topics[0] != eventlog.UplinkTopic("freight") {
		t.Errorf("asked for %v", topics)
	}
	uplink := func() string {
		h.said()
		h.conn.receive(wire.AppendUplink(nil, wire.Header{Family: 5, Sequence: 2, Flags: wire.FlagOneWay}, wire.UplinkPrefix{Lowest: 2}, []byte("here")))
		return h.said()
	}
	if s := uplink(); !strings.Contains(s, "{busy: ") || strings.Contains(s, "fact") {
		t.Errorf("an uplink before the answer: %s", s)
	}

	slow.answers <- errors.New("nobody knows it")
	for asking := true; asking; runtime.Gosched() { // the next uplink asks again
		uplink()
		select {
		case <-slow.asked:
			asking = false
		default:
		}
	}
	slow.answers <- nil
	for began := time.Now(); !strings.Contains(uplink(), "fact uplinked"); runtime.Gosched() {
		if time.Since(began) > patience {
			t.Fatal("uplinks are refused for ever")
		}
	}
}
