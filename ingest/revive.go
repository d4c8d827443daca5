package ingest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/valyala/bytebufferpool"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// A redrive is pushed through the same appender as every push, under a name that
// follows from the dead one's: the second redrive of the same push is a
// duplicate. What a person would not want again is left out: when the push was
// due, and what it replaced.

// revivers is how many bodies of one call are read at once.
const revivers = 8

// handleRedrives takes one redrive or an array of them.
func (s *Server) handleRedrives(w http.ResponseWriter, r *http.Request, app string) {
	began := time.Now()
	text, err := s.body(w, r)
	if err != nil {
		s.refuseBody(w, err)
		return
	}
	all, array, bad := parseRedrives(text)
	if bad != nil {
		s.refuse(w, bad)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.cfg.CallTimeout)
	defer cancel()
	s.reviveAll(ctx, app, all)
	b := newBatch(app, len(all))
	for i := range all {
		if x := &all[i]; x.again != nil {
			s.take(b, x.again)
		} else {
			s.metrics.refuse(x.fails.reason)
		}
	}
	b.leave()
	t := b.wait(s.cfg.CallTimeout)
	s.metrics.answered(t, began, false)
	writeRedrives(w, all, b, array)
}

// reviveAll finds the pushes that are to be said again.
func (s *Server) reviveAll(ctx context.Context, app string, all []redrive) {
	var working sync.WaitGroup
	next := make(chan *redrive)
	for range min(revivers, len(all)) {
		working.Go(func() {
			for x := range next {
				x.again, x.fails = s.revive(ctx, app, x)
			}
		})
	}
	for i := range all {
		next <- &all[i]
	}
	close(next)
	working.Wait()
}

// revive reads a push from the log and makes a request of it.
func (s *Server) revive(ctx context.Context, app string, x *redrive) (*request, *failing) {
	e, err := s.dead(ctx, schemas.Key(app, x.asks.users[0]), x.at)
	switch {
	case errors.Is(err, eventlog.ErrGone):
		return nil, notThere(http.StatusGone, "the log does not hold the push any more: its body is gone")
	case errors.Is(err, eventlog.ErrNoRecord):
		return nil, notThere(http.StatusNotFound, "the log has no push to this user at this position; allowed: "+allowPosition)
	case err != nil:
		return nil, awayNow()
	}
	return x.request(e), nil
}

// dead is the pushed at that position, or the one that became due there.
func (s *Server) dead(ctx context.Context, key []byte, at schemas.Position) (*schemas.Event, error) {
	e, err := s.cfg.Log.Find(ctx, at, key)
	if err == nil && e.Event.Kind == schemas.Kind_KIND_RELEASED {
		e, err = s.cfg.Log.Find(ctx, schemas.Position(e.Event.GetReleased().GetPosition()), key)
	}
	if err == nil && e.Event.GetPushed() == nil {
		err = fmt.Errorf("%w: it is no push", eventlog.ErrNoRecord)
	}
	return e.Event, err
}

// request says the push again: as a new one of the same trace.
func (x *redrive) request(e *schemas.Event) *request {
	p := e.Pushed
	again := &request{
		users: x.asks.users, device: e.Device, family: p.Family, command: p.Command, body: p.Body, hasBytes: true,
		ttl: p.Ttl, label: p.Label, name: schemas.RedriveName(schemas.IDFrom(p.PushId), p.Name), firstWins: p.FirstDeviceWins, redrives: uint64(x.at),
	}
	if x.seen["ttl"] {
		again.ttl = x.asks.ttl
	}
	again.trace.id = schemas.IDFrom(e.TraceId)
	copy(again.trace.parent[:], e.ParentSpan)
	return again
}

func notThere(code int, message string) *failing {
	return &failing{code, schemas.Reason_REASON_NOT_FOUND, failure{Status: refused, Error: problem{
		Reason: schemas.Reason_REASON_NOT_FOUND.Word(), Message: message,
	}}}
}

func awayNow() *failing {
	return &failing{http.StatusServiceUnavailable, schemas.Reason_REASON_LOG_AWAY, failure{Status: busy, RetryAfter: retryAfter, Error: problem{
		Reason: schemas.Reason_REASON_LOG_AWAY.Word(), Message: "the log does not answer; the push was not said again, try again later",
	}}}
}

// writeRedrives answers in the order of the call: as for pushes, and with the
// failure of each that cannot be said again.
func writeRedrives(w http.ResponseWriter, all []redrive, b *batch, array bool) {
	buffer := bytebufferpool.Get()
	defer bytebufferpool.Put(buffer)
	if array {
		buffer.B = append(buffer.B, '[')
	}
	code, taken := 0, 0
	for i := range all {
		if i > 0 {
			buffer.B = append(buffer.B, ",\n"...)
		}
		var one int
		if x := &all[i]; x.fails != nil {
			one, buffer.B = x.fails.code, appendFailure(buffer.B, x.fails.failure)
		} else {
			one, buffer.B = b.answers[taken].tally.httpStatus(), appendAnswer(buffer.B, &b.answers[taken])
			taken++
		}
		if code == 0 || code == one {
			code = one
		} else {
			code = http.StatusMultiStatus
		}
	}
	if array {
		buffer.B = append(buffer.B, ']')
	}
	if code == http.StatusServiceUnavailable || code == http.StatusGatewayTimeout || code == http.StatusMultiStatus {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	write(w, code, append(buffer.B, '\n'))
}
