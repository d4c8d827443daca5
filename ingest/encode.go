package ingest

import (
	"encoding/hex"
	"encoding/json"
	"strconv"

	"waybill/schemas"
)

// retryAfter is what a caller is told to wait, in seconds: a partition that
// changes its leader is back within one or two.
const retryAfter = 1

// appendAnswer writes what became of one push request, as JSON by hand: an
// answer is written for each push, and reflection costs more than the rest.
func appendAnswer(b []byte, a *answer) []byte {
	var trace [32]byte
	hex.Encode(trace[:], a.trace[:])
	b = append(b, `{"status":"`...)
	b = append(b, a.tally.status()...)
	b = append(b, `","trace_id":"`...)
	b = append(b, trace[:]...)
	if a.tally.busy+a.tally.unknown > 0 {
		b = append(b, `","retry_after":`...)
		b = strconv.AppendInt(b, retryAfter, 10)
		b = append(b, `,"pushes":[`...)
	} else {
		b = append(b, `","pushes":[`...)
	}
	for i := range a.pushes {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendPush(b, &a.pushes[i], trace[:])
	}
	return append(b, "]}"...)
}

func appendPush(b []byte, p *push, trace []byte) []byte {
	b = append(b, `{"user":`...)
	b = appendString(b, p.user)
	b = append(b, `,"push_id":"`...)
	b = hex.AppendEncode(b, p.id[:])
	b = append(b, `","trace_id":"`...)
	b = append(b, trace...)
	b = append(b, `","status":"`...)
	b = append(b, p.end...)
	return append(b, `"}`...)
}

// appendString writes a user, which has no control characters and is UTF-8.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

// appendAnswers writes what became of all push requests of an array.
func appendAnswers(b []byte, answers []answer) []byte {
	b = append(b, '[')
	for i := range answers {
		if i > 0 {
			b = append(b, ',', '\n')
		}
		b = appendAnswer(b, &answers[i])
	}
	return append(b, ']')
}

// failure is the body of every answer but those above.
type failure struct {
	Status     status  `json:"status"`
	RetryAfter int     `json:"retry_after,omitempty"`
	Error      problem `json:"error"`
}

type problem struct {
	Reason  string `json:"reason"` // a word of schemas.Reason
	Message string `json:"message"`
	// Of a violation.
	Element *int   `json:"element,omitempty"`
	Field   string `json:"field,omitempty"`
	Problem string `json:"problem,omitempty"`
	Allowed string `json:"allowed,omitempty"`
}

func failureOf(v *Violation) failure {
	f := failure{Status: refused, Error: problem{
		Reason:  schemas.Reason_REASON_BAD_REQUEST.Word(),
		Message: v.Error(), Field: v.Field, Problem: v.Problem, Allowed: v.Allowed,
	}}
	if v.Element >= 0 {
		f.Error.Element = &v.Element
	}
	return f
}

// appendFailure writes f. Its strings cannot fail to encode.
func appendFailure(b []byte, f failure) []byte {
	text, _ := json.Marshal(f)
	return append(b, text...)
}
