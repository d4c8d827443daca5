package outcomes

import (
	"encoding/hex"
	"strconv"
	"time"
	"unicode/utf8"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// Headers of a record.
const (
	headerTrace    = "traceparent"
	headerPosition = "position" // the record's own, in decimal digits: see docs/api.md
)

// Types of a record.
const (
	typeOutcome = "outcome"
	typeNobody  = "nobody_connected"
)

// tells says that an app-server is told of the event: the end of a push as a
// whole, or that nobody was there to take it. One device's outcome is its own.
func tells(e *schemas.Event) bool {
	switch e.Kind {
	case schemas.Kind_KIND_OUTCOME:
		return e.Outcome != nil && (e.Device == "" || e.Outcome.Whole)
	case schemas.Kind_KIND_UNREACHED:
		return e.Unreached != nil
	}
	return false
}

// maker makes records out of pieces of memory that many of them share: the
// appender lets go of all of them soon.
type maker struct {
	memory  []byte // what is left of the piece
	headers []eventlog.Header
	text    []byte // the value, before it is known how long it is

	// Words that have been looked up: making one takes two allocations.
	classes map[schemas.Class]string
	reasons map[schemas.Reason]string
}

func newMaker() maker {
	return maker{classes: make(map[schemas.Class]string), reasons: make(map[schemas.Reason]string)}
}

func (m *maker) class(x schemas.Class) string {
	word, known := m.classes[x]
	if !known {
		word = x.Word()
		m.classes[x] = word
	}
	return word
}

func (m *maker) reason(x schemas.Reason) string {
	word, known := m.reasons[x]
	if !known {
		word = x.Word()
		m.reasons[x] = word
	}
	return word
}

// Sizes of a piece. A record has some 500 bytes and two headers.
const (
	pieceBytes   = 64 << 10
	pieceHeaders = 256
)

// appendJSON appends the record's value. By hand: there is one for each push.
func (m *maker) appendJSON(b []byte, x *eventlog.Entry) []byte {
	e := x.Event
	if e.Kind == schemas.Kind_KIND_UNREACHED {
		b = appendHead(b, typeNobody, x)
		u := e.Unreached
		b = appendNames(b, e, u.PushId, u.Name)
		b = appendNumber(b, `,"push_position":`, u.Position)
		return append(appendKind(b, u.Label, u.Family, u.Command), '}')
	}
	b = appendHead(b, typeOutcome, x)
	o := e.Outcome
	b = appendNames(b, e, o.PushId, o.Name)
	at := o.Pushed
	if at == 0 {
		at = o.Position
	}
	b = appendNumber(b, `,"push_position":`, at)
	b = appendText(b, `,"class":`, m.class(o.Class))
	b = appendText(b, `,"reason":`, m.reason(o.Reason))
	b = appendText(b, `,"device":`, e.Device)
	b = appendText(b, `,"platform":`, o.Platform)
	b = appendNumber(b, `,"attempt":`, uint64(o.Attempt))
	b = appendNumber(b, `,"first":`, o.First)
	b = appendKind(b, o.Label, o.Family, o.Command)
	return append(appendSteps(b, o.Steps), '}')
}

func appendHead(b []byte, what string, x *eventlog.Entry) []byte {
	b = append(append(b, `{"type":"`...), what...)
	b = appendNumber(b, `","position":`, uint64(x.Position))
	return appendTime(b, `,"at":"`, x.Time)
}

// appendNames says whose push it is and how it is called.
func appendNames(b []byte, e *schemas.Event, push []byte, name string) []byte {
	b = appendText(b, `,"app":`, e.App)
	b = appendText(b, `,"user":`, e.User)
	b = append(hex.AppendEncode(append(b, `,"push_id":"`...), push), '"')
	b = appendText(b, `,"name":`, name)
	return append(hex.AppendEncode(append(b, `,"trace_id":"`...), e.TraceId), '"')
}

// appendKind repeats what an app-server sorts by.
func appendKind(b []byte, label string, family, command uint32) []byte {
	b = appendText(b, `,"label":`, label)
	b = strconv.AppendUint(append(b, `,"family":`...), uint64(family), 10)
	return strconv.AppendUint(append(b, `,"command":`...), uint64(command), 10)
}

// appendSteps says when the push reached each step first; a step that is not
// known is left out.
func appendSteps(b []byte, s *schemas.Steps) []byte {
	if s == nil {
		return b
	}
	b = appendTime(b, `,"accepted":"`, s.Accepted)
	b = appendTime(b, `,"dispatched":"`, s.Dispatched)
	b = appendTime(b, `,"sent":"`, s.Sent)
	b = appendTime(b, `,"delivered":"`, s.Delivered)
	return appendTime(b, `,"opened":"`, s.Opened)
}

// appendTime appends a time in microseconds; 0 = nothing.
func appendTime(b []byte, field string, at int64) []byte {
	if at == 0 {
		return b
	}
	return append(time.UnixMicro(at).UTC().AppendFormat(append(b, field...), time.RFC3339Nano), '"')
}

// appendNumber appends a number; 0 = nothing.
func appendNumber(b []byte, field string, n uint64) []byte {
	if n == 0 {
		return b
	}
	return strconv.AppendUint(append(b, field...), n, 10)
}

// appendText appends a string; none = nothing.
func appendText(b []byte, field, s string) []byte {
	if s == "" {
		return b
	}
	return appendString(append(b, field...), s)
}

// appendString appends a JSON string. What is no UTF-8 becomes U+FFFD.
func appendString(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		case c < utf8.RuneSelf:
			b = append(b, c)
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r)
			i += size - 1
		}
		i++
	}
	return append(b, '"')
}

// record for the topic. It shares nothing with the entry.
func (m *maker) record(topic string, x *eventlog.Entry) eventlog.Record {
	m.text = m.appendJSON(m.text[:0], x)
	value := m.keep(m.text)
	key := m.keep(x.Key)
	m.text = x.Event.AppendTraceparent(m.text[:0])
	trace := m.keep(m.text)
	m.text = strconv.AppendUint(m.text[:0], uint64(x.Position), 10)
	if len(m.headers) < 2 {
		m.headers = make([]eventlog.Header, pieceHeaders)
	}
	headers := m.headers[:2:2]
	m.headers = m.headers[2:]
	headers[0] = eventlog.Header{Key: headerTrace, Value: trace}
	headers[1] = eventlog.Header{Key: headerPosition, Value: m.keep(m.text)}
	return eventlog.Record{
		Topic: topic, Partition: eventlog.ByKey, Key: key, Value: value, Headers: headers, Stamp: eventlog.NoStamp,
	}
}

// keep copies b into the piece.
func (m *maker) keep(b []byte) []byte {
	if len(m.memory) < len(b) {
		m.memory = make([]byte, max(pieceBytes, len(b)))
	}
	kept := m.memory[:len(b):len(b)]
	m.memory = m.memory[len(b):]
	copy(kept, b)
	return kept
}
