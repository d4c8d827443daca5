package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/bytebufferpool"

	"waybill/internal/control"
	"waybill/schemas"
)

// Handler serves the push API and the health pages:
//
//	POST /v1/pushes   one push request, an array, or a stream of lines
//	POST /v1/cancels  one cancel, or an array
//	POST /v1/redrives one redrive, or an array
//	GET  /healthz     the process is alive
//	GET  /readyz      it can take pushes: apps and keys are read, the log answers
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/pushes", s.admit(s.handlePushes))
	mux.HandleFunc("POST /v1/cancels", s.admit(s.handleCancels))
	mux.HandleFunc("POST /v1/redrives", s.admit(s.handleRedrives))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", s.handleReady)
	return mux
}

// handleReady answers 503 with the reason while calls would be refused.
func (s *Server) handleReady(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), time.Second)
	defer cancel()
	why := s.notReady()
	if why == "" && s.cfg.Log.Ping(ctx) != nil {
		why = "the log does not answer"
	}
	if why != "" {
		http.Error(w, "not ready: "+why, http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, "ready\n")
}

// notReady says why no call can be taken yet, or any more; else it is empty.
func (s *Server) notReady() string {
	switch {
	case s.draining.Err() != nil:
		return "the server is stopping"
	case !closed(s.cfg.Control.Ready()):
		return "apps and keys have not been read from the log yet"
	case !closed(s.ready):
		return "the log has not answered yet"
	}
	return ""
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// admit lets the calls of known apps through, while any can be taken.
func (s *Server) admit(serve func(w http.ResponseWriter, r *http.Request, app string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if why := s.notReady(); why != "" {
			s.refuseAway(w, why)
			return
		}
		app, ok := s.app(r)
		if !ok {
			s.refuseKey(w)
			return
		}
		serve(w, r, app.Name)
	}
}

// handlePushes finds the form of the call.
func (s *Server) handlePushes(w http.ResponseWriter, r *http.Request, app string) {
	if form, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); form == "application/x-ndjson" {
		s.handleStream(w, r, app)
		return
	}
	s.handleCall(w, r, purpose{app: app})
}

// app of the key in the Authorization header.
func (s *Server) app(r *http.Request) (*control.App, bool) {
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || key == "" {
		return nil, false
	}
	return s.cfg.Control.ByAPIKey(strings.TrimSpace(key))
}

// purpose is what is known of a call before its body is read.
type purpose struct {
	app    string
	cancel bool // of cancels, not of pushes
}

// handleCall takes a call that is one object or an array.
func (s *Server) handleCall(w http.ResponseWriter, r *http.Request, c purpose) {
	began := time.Now()
	text, err := s.body(w, r)
	if err != nil {
		s.refuseBody(w, err)
		return
	}
	requests, array, bad := parseCall(text, c.cancel)
	if bad != nil {
		s.refuse(w, bad)
		return
	}
	if t, ok := parseTraceparent(r.Header.Get("traceparent")); ok && !array && requests[0].trace.id.IsZero() {
		requests[0].trace = t
	}
	b := newBatch(c.app, len(requests))
	for i := range requests {
		s.take(b, &requests[i])
	}
	b.leave()
	t := b.wait(s.cfg.CallTimeout)
	s.metrics.answered(t, began, c.cancel)
	writeBatch(w, b, t, array)
}

// parseCall reads a call that is one object or an array, and says which.
func parseCall(text string, cancel bool) (requests []request, array bool, _ *Violation) {
	if s := (scanner{text: text}); s.peek() == '[' {
		requests, bad := parseArray(text, cancel)
		return requests, true, bad
	}
	requests = make([]request, 1)
	requests[0].cancel = cancel
	return requests, false, parseOne(&requests[0], text)
}

// body reads the whole call, for a while and up to a size.
func (s *Server) body(w http.ResponseWriter, r *http.Request) (string, error) {
	conn := http.NewResponseController(w)
	if conn.SetReadDeadline(time.Now().Add(s.cfg.CallTimeout)) == nil {
		defer conn.SetReadDeadline(time.Time{}) //nolint:errcheck // it could be set just now
	}
	buffer := bytebufferpool.Get()
	defer bytebufferpool.Put(buffer)
	if _, err := buffer.ReadFrom(http.MaxBytesReader(w, r.Body, MaxCall)); err != nil {
		return "", fmt.Errorf("read the body: %w", err)
	}
	return buffer.String(), nil
}

// httpStatus of a whole call.
func (t tally) httpStatus() int {
	switch t.status() {
	case accepted:
		return http.StatusAccepted
	case checked:
		return http.StatusOK
	case partial:
		return http.StatusMultiStatus
	case unknown:
		return http.StatusGatewayTimeout
	}
	return http.StatusServiceUnavailable
}

func writeBatch(w http.ResponseWriter, b *batch, t tally, array bool) {
	buffer := bytebufferpool.Get()
	defer bytebufferpool.Put(buffer)
	if array {
		buffer.B = appendAnswers(buffer.B, b.answers)
	} else {
		buffer.B = appendAnswer(buffer.B, &b.answers[0])
	}
	if t.busy+t.unknown > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	write(w, t.httpStatus(), append(buffer.B, '\n'))
}

func write(w http.ResponseWriter, code int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(code)
	_, _ = w.Write(body) // the caller has gone; the log has it
}

func writeFailure(w http.ResponseWriter, code int, f failure) {
	write(w, code, append(appendFailure(nil, f), '\n'))
}

func (s *Server) refuse(w http.ResponseWriter, v *Violation) {
	s.metrics.refuse(schemas.Reason_REASON_BAD_REQUEST)
	writeFailure(w, http.StatusBadRequest, failureOf(v))
}

// refuseBody answers a body that is too large or did not arrive.
func (s *Server) refuseBody(w http.ResponseWriter, err error) {
	s.metrics.refuse(schemas.Reason_REASON_BAD_REQUEST)
	code := http.StatusBadRequest
	v := violation("", "did not arrive whole", "all of the bytes, within "+s.cfg.CallTimeout.String())
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		code = http.StatusRequestEntityTooLarge
		v = violation("", "is too long", "8 MiB (8388608 bytes); a stream (application/x-ndjson) has no bound")
	}
	writeFailure(w, code, failureOf(v))
}

func (s *Server) refuseKey(w http.ResponseWriter) {
	s.metrics.refuse(schemas.Reason_REASON_BAD_KEY)
	w.Header().Set("WWW-Authenticate", "Bearer")
	writeFailure(w, http.StatusUnauthorized, failure{Status: refused, Error: problem{
		Reason:  schemas.Reason_REASON_BAD_KEY.Word(),
		Message: "the API key is missing or unknown; send an Authorization header: Bearer KEY",
	}})
}

func (s *Server) refuseAway(w http.ResponseWriter, why string) {
	s.metrics.refuse(schemas.Reason_REASON_LOG_AWAY)
	w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	writeFailure(w, http.StatusServiceUnavailable, failure{Status: busy, RetryAfter: retryAfter, Error: problem{
		Reason:  schemas.Reason_REASON_LOG_AWAY.Word(),
		Message: why + "; nothing was taken, try again later",
	}})
}
