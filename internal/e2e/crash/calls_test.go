package crash

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"waybill/schemas"
)

func TestReadAnswers(t *testing.T) {
	for body, want := range map[string]string{
		`[{"status":"accepted"},{"status":"busy"}]`: "accepted busy",
		`{"status":"busy","error":{"message":"x"}}`: "busy busy",
		`[{"status":"accepted"}]`:                   "",
		`not JSON`:                                  "",
	} {
		all, err := readAnswers([]byte(body), 2)
		got := ""
		if err == nil {
			got = all[0].Status + " " + all[1].Status
		}
		if got != want {
			t.Errorf("%s: got %q (%v), want %q", body, got, err, want)
		}
	}
}

// TestRecognize: an answer that accepts a push names that push and its trace.
func TestRecognize(t *testing.T) {
	const sent = "00-01000000000000000000000000000000-0200000000000000-01"
	id := schemas.NamedID("freight", "anna", "office-1").String()
	for name, c := range map[string]struct {
		trace string // the caller's
		say   func(*answer)
		odd   bool
	}{
		"a trace of ingest's": {"", func(*answer) {}, false},
		"the caller's trace":  {sent, func(*answer) {}, false},
		"another trace":       {sent, func(a *answer) { a.Trace = schemas.ID{3}.String() }, true},
		"no trace":            {"", func(a *answer) { a.Trace = "" }, true},
		"another push id":     {"", func(a *answer) { a.Pushes[0].ID = schemas.ID{3}.String() }, true},
		"another user":        {"", func(a *answer) { a.Pushes[0].User = "bob" }, true},
		"no push":             {"", func(a *answer) { a.Pushes = nil }, true},
		"another status":      {"", func(a *answer) { a.Status = "perhaps" }, true},
	} {
		o := &office{}
		p := &push{app: "freight", request: request{User: "anna", Name: "office-1", Trace: c.trace}, tries: []try{{made: time.Unix(1, 0)}}}
		if c.trace != "" {
			p.tries[0].trace = schemas.ID{1}
		}
		a := &answer{Status: statusAccepted, Trace: schemas.ID{1}.String(), Pushes: make([]answeredPush, 1)}
		a.Pushes[0] = answeredPush{User: "anna", ID: id}
		c.say(a)
		err := o.note(p, a)
		if odd := len(o.oddAnswers()) == 1; odd != c.odd || odd != (err != nil) {
			t.Errorf("%s: %v, want odd: %v", name, err, c.odd)
		}
	}
}

// deaf answers no call.
type deaf struct{}

func (deaf) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("nobody is there")
}

// TestUnanswered: every push of a call without an answer counts, in each form.
func TestUnanswered(t *testing.T) {
	for _, f := range forms {
		o := &office{urls: []string{"http://ingest"}, client: &http.Client{Transport: deaf{}}, pushes: make([]push, 3)}
		s := server{form: f, office: o}
		for n := range o.pushes {
			s.todo = append(s.todo, &o.pushes[n])
		}
		n := min(f.most, len(s.todo))
		if err := f.call(o, t.Context(), o.client, s.todo[:n]); err == nil {
			t.Error("a call that nobody took has no error")
		}
		s.forget(n)
		if got, again := o.unanswered.Load(), o.retried.Load(); got != int64(n) || again != int64(n) {
			t.Errorf("of %d pushes %d have no answer and %d are said again, want all", n, got, again)
		}
	}
}
