package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"waybill/schemas"
)

// answer to one push request.
type answer struct {
	Status string         `json:"status"`
	Trace  string         `json:"trace_id"`
	Pushes []answeredPush `json:"pushes"`
	Error  struct {
		Message string `json:"message"`
	} `json:"error"`
}

type answeredPush struct {
	User string `json:"user"`
	ID   string `json:"push_id"`
}

// callTimeout is longer than ingest takes to say that it does not know.
const callTimeout = 20 * time.Second

// Status of a push, in the API's words.
const (
	statusAccepted = "accepted"
	statusBusy     = "busy"    // surely not in the log
	statusUnknown  = "unknown" // perhaps
)

var errAgain = errors.New("something has to be said again")

// say begins a call: all that is in it is ready before it is made.
func (o *office) say(all []*push) []*request {
	call := int(o.calls.Add(1))
	requests := make([]*request, len(all))
	for n, p := range all {
		p.begin(call, n)
		requests[n] = &p.request
	}
	return requests
}

// batch pushes in one call: an object for one, else an array.
func (o *office) batch(ctx context.Context, c *http.Client, all []*push) error {
	requests := o.say(all)
	body, err := json.Marshal(requests)
	if len(all) == 1 {
		body, err = json.Marshal(requests[0])
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := o.post(ctx, c, callOf{"/v1/pushes", "application/json", all[0].app}, bytes.NewReader(body))
	if err != nil {
		o.unanswered.Add(int64(len(all)))
		return err
	}
	defer resp.Body.Close()
	return o.take(all, resp)
}

// take the answer of one call that is no stream.
func (o *office) take(all []*push, resp *http.Response) error {
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		o.unanswered.Add(int64(len(all)))
		return err
	}
	answers, err := readAnswers(b, len(all))
	if err != nil {
		return o.strange(fmt.Errorf("%s to %d pushes: %w: %.300s", resp.Status, len(all), err, b))
	}
	var again error
	for n := range answers {
		if o.note(all[n], &answers[n]) != nil {
			again = errAgain
		}
	}
	return again
}

// readAnswers reads one for each of n pushes; a call that was turned away whole
// has one for all of them.
func readAnswers(b []byte, n int) ([]answer, error) {
	if bytes.HasPrefix(b, []byte("{")) {
		var one answer
		if err := json.Unmarshal(b, &one); err != nil {
			return nil, err
		}
		return slices.Repeat([]answer{one}, n), nil
	}
	var all []answer
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, err
	}
	if len(all) != n {
		return nil, fmt.Errorf("has %d answers", len(all))
	}
	return all, nil
}

// stream pushes line by line, each when it is due, and reads the answers
// meanwhile; what has none when the stream breaks is said again.
func (o *office) stream(ctx context.Context, c *http.Client, all []*push) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	out, in := io.Pipe()
	var writing sync.WaitGroup
	requests := o.say(all)
	writing.Go(func() {
		e := json.NewEncoder(in)
		for n, r := range requests {
			if pause(ctx, time.Until(o.begin.Add(all[n].due))) != nil || e.Encode(r) != nil {
				break // the call has ended
			}
		}
		_ = in.Close()
	})
	defer writing.Wait()
	defer out.Close()
	defer cancel()
	resp, err := o.post(ctx, c, callOf{"/v1/pushes", "application/x-ndjson", all[0].app}, out)
	if err != nil {
		o.unanswered.Add(int64(len(all)))
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK { // turned away whole
		return o.take(all, resp)
	}
	d := json.NewDecoder(resp.Body)
	var again error
	for n := range all {
		var a answer
		if err := d.Decode(&a); err != nil {
			o.unanswered.Add(int64(len(all) - n))
			return err
		}
		if o.note(all[n], &a) != nil {
			again = errAgain
		}
	}
	return again
}

// callOf an app, in a form.
type callOf struct{ path, form, app string }

// post calls one of the ingests.
func (o *office) post(ctx context.Context, c *http.Client, what callOf, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.urls[rand.IntN(len(o.urls))]+what.path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+o.keys[what.app])
	req.Header.Set("Content-Type", what.form)
	return c.Do(req)
}

// note what became of one push.
func (o *office) note(p *push, a *answer) error {
	t := p.last()
	t.status, t.answered = a.Status, time.Now()
	switch a.Status {
	case statusAccepted:
		o.accepted.Add(1)
		return o.recognize(p, a)
	case statusBusy:
		o.refused.Add(1)
	case statusUnknown:
		o.doubtful.Add(1)
	default:
		return o.strange(fmt.Errorf("%q to a push: %s", a.Status, a.Error.Message))
	}
	return errAgain
}

// recognize the push in the answer that accepts it: what the caller set, the
// answer repeats; what it left open, the answer says.
func (o *office) recognize(p *push, a *answer) error {
	t := p.last()
	trace, err := schemas.ParseID(a.Trace)
	if err != nil {
		return o.strange(fmt.Errorf("the trace of push %s: %w", p.Name, err))
	}
	if !t.trace.IsZero() && trace != t.trace {
		return o.strange(fmt.Errorf("trace %s for push %s, sent with %s", trace, p.Name, p.Trace))
	}
	t.trace = trace
	id := schemas.NamedID(p.app, p.User, p.Name).String()
	if len(a.Pushes) != 1 || a.Pushes[0].User != p.User || a.Pushes[0].ID != id {
		return o.strange(fmt.Errorf("push %s of %s, whose id is %s, has the answer %v", p.Name, p.User, id, a.Pushes))
	}
	return nil
}

// strange keeps an answer that nobody should get.
func (o *office) strange(err error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.odd = append(o.odd, err.Error())
	return err
}

func (o *office) oddAnswers() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.odd
}
