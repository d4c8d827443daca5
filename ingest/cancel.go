package ingest

import (
	"net/http"

	"waybill/schemas"
)

// A cancel is parsed, appended and answered like a push: through the same
// appender, so that a cancel after the answer to its push comes after it in the
// log. It names one push: its id, like an answer or like its caller named it.

const (
	cancelFields = "user, push_id, traceparent"
	allowCancel  = "the push_id of the push: your own name for it, or the id that its answer named"
)

func ofCancel(name string) bool {
	return name == "user" || name == "push_id" || name == "traceparent"
}

// whole is what the call, or an element of it, is to be.
func (r *request) whole() string {
	if r.cancel {
		return "a cancel, as a JSON object"
	}
	return "a push request, as a JSON object"
}

func (r *request) checkCancel() *Violation {
	switch {
	case !r.has("user"):
		return violation("user", "is missing", allowUser)
	case !r.has("push_id"):
		return violation("push_id", "is missing", allowCancel)
	}
	return nil
}

// handleCancels takes one cancel or an array of them.
func (s *Server) handleCancels(w http.ResponseWriter, r *http.Request, app string) {
	s.handleCall(w, r, purpose{app: app, cancel: true})
}

// cancelEvent asks for the end of the push; whether it is too late for that is
// delivery's to say.
func (s *Server) cancelEvent(app string, r *request) *schemas.Event {
	return &schemas.Event{
		Kind: schemas.Kind_KIND_CANCEL_ASKED, App: app, Node: s.cfg.Node,
		TraceId: r.trace.id[:], ParentSpan: r.trace.parentSpan(),
		CancelAsked: &schemas.CancelAsked{Name: r.name},
	}
}
