package ingest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"waybill/internal/eventlog"
)

// client is one stream as an app-server holds it.
type client struct {
	t    *testing.T
	send *io.PipeWriter
	resp *http.Response
	from *bufio.Scanner
}

func openStream(t *testing.T, s *Server) *client {
	t.Helper()
	body, send := io.Pipe()
	req, err := http.NewRequest(http.MethodPost, "http://"+s.Addr()+"/v1/pushes", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+cityKey)
	req.Header.Set("Content-Type", "application/x-ndjson; charset=utf-8")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = send.Close()
		_ = resp.Body.Close()
	})
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d", resp.StatusCode)
	}
	return &client{t: t, send: send, resp: resp, from: bufio.NewScanner(resp.Body)}
}

func (c *client) say(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.send, text); err != nil {
		c.t.Fatal(err)
	}
}

// hear reads one answer; ok is false at the end of the stream.
func (c *client) hear() (a answered, ok bool) {
	c.t.Helper()
	if !c.from.Scan() {
		return a, false
	}
	if err := json.Unmarshal(c.from.Bytes(), &a); err != nil {
		c.t.Fatalf("%s: %v", c.from.Bytes(), err)
	}
	return a, true
}

func TestStreamAnswersInOrder(t *testing.T) {
	w := newWorld(t)
	s, _ := w.serve()
	c := openStream(t, s)
	const n = 3000 // more than may be in flight
	go func() {
		out := bufio.NewWriter(c.send)
		for i := range n {
			fmt.Fprintf(out, "{\"user\":\"u%d\",\"family\":1,\"json\":%d}\n", i, i)
		}
		_ = out.Flush()
		_ = c.send.Close()
	}()
	for i := range n {
		a, ok := c.hear()
		if want := fmt.Sprintf("u%d", i); !ok || a.Status != "accepted" || a.Pushes[0].User != want {
			t.Fatalf("answer %d: %+v", i, a)
		}
	}
	if a, ok := c.hear(); ok {
		t.Errorf("one answer too many: %+v", a)
	}
	w.read(eventlog.EventsTopic, n)
}

// Each line is answered while the stream stays open; a bad one ends nothing.
func TestStreamLines(t *testing.T) {
	w := newWorld(t)
	s, _ := w.serve()
	c := openStream(t, s)
	const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for _, step := range []struct{ line, status, field, trace string }{
		{`{"user":"u","family":1,"json":1}` + "\n", "accepted", "", ""},
		{`{"user":"u","family":0,"json":1}` + "\r\n", "refused", "family", ""},
		{"\n \n" + `{"user":"u","family":1,"json":1,"traceparent":"` + traceparent + `"}` + "\n", "accepted", "", "0af7651916cd43dd8448eb211c80319c"},
		{"garbage\n", "refused", "", ""},
		{`{"user":"u","family":1,"json":"` + strings.Repeat("x", MaxBody-2) + `"` + strings.Repeat(" ", streamBuffer) + "}\n", "accepted", "", ""},
	} {
		c.say(step.line)
		a, ok := c.hear()
		if !ok || a.Status != step.status || a.Error != nil && a.Error.Field != step.field || step.trace != "" && a.TraceID != step.trace {
			t.Fatalf("%.60s: %+v", step.line, a)
		}
	}
	c.say(`{"user":"last","family":1,"json":1}`) // without an end
	_ = c.send.Close()
	if a, ok := c.hear(); !ok || a.Status != "accepted" || a.Pushes[0].User != "last" {
		t.Errorf("%+v", a)
	}
}

func TestStreamLongLine(t *testing.T) {
	w := newWorld(t)
	s, _ := w.serve()
	c := openStream(t, s)
	go func() {
		_, _ = io.WriteString(c.send, strings.Repeat(" ", MaxLine+1)) // cut when the server has seen enough
		_ = c.send.Close()
	}()
	if a, ok := c.hear(); !ok || a.Status != "refused" || !strings.Contains(a.Error.Message, "1 MiB") {
		t.Errorf("%+v", a)
	}
	if a, ok := c.hear(); ok {
		t.Errorf("the stream goes on: %+v", a)
	}
}

// A busy line is said at once and by itself; the stream goes on.
func TestStreamBusy(t *testing.T) {
	w := newWorld(t)
	s, _ := w.serve()
	c := openStream(t, s)
	const line = `{"user":"u","family":1,"json":1}` + "\n"
	for _, want := range []string{"accepted", "busy", "accepted"} {
		if want == "busy" {
			w.faults.Fail(eventlog.EventsTopic, eventlog.AllPartitions, errors.New("planted"))
		} else {
			w.faults.Clear()
		}
		c.say(line)
		if a, ok := c.hear(); !ok || a.Status != want || (want == "busy") != (a.Retry == 1) {
			t.Fatalf("want %s, got %+v", want, a)
		}
	}
}

// A server that stops answers what it took, ends the streams and returns; half
// a line gets no answer.
func TestDrain(t *testing.T) {
	w := newWorld(t)
	s, stop := w.serve()
	c := openStream(t, s)
	w.faults.Hold(eventlog.EventsTopic, eventlog.AllPartitions)
	c.say(`{"user":"u","family":1,"json":1}` + "\n" + `{"user":"half`)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		stop()
	}()
	<-s.draining.Done()
	w.faults.Clear()
	if a, ok := c.hear(); ok && a.Status != "accepted" {
		t.Errorf("%+v", a)
	}
	if a, ok := c.hear(); ok {
		t.Errorf("an answer to half a line: %+v", a)
	}
	select {
	case <-stopped:
	case <-time.After(patience):
		t.Fatal("the server does not stop")
	}
	if _, err := http.Get("http://" + s.Addr() + "/healthz"); err == nil {
		t.Error("the server still answers")
	}
}

func TestLineReader(t *testing.T) {
	long := strings.Repeat("x", 3*streamBuffer)
	for _, c := range []struct {
		text string
		want []string
		err  error
	}{
		{"", nil, io.EOF},
		{"a\nb\r\n\nc", []string{"a", "b", "", "c"}, io.EOF},
		{long + "\nb\n", []string{long, "b"}, io.EOF},
		{"a\n" + strings.Repeat("x", MaxLine+1), []string{"a"}, errLongLine},
	} {
		r := &lineReader{from: bufio.NewReaderSize(strings.NewReader(c.text), streamBuffer)}
		var got []string
		text, err := r.next()
		for ; err == nil; text, err = r.next() {
			got = append(got, text)
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) || !errors.Is(err, c.err) {
			t.Errorf("%.20q: %d lines, %v; want %d, %v", c.text, len(got), err, len(c.want), c.err)
		}
	}
	broken := &lineReader{from: bufio.NewReader(io.MultiReader(strings.NewReader("half"), errReader{}))}
	if text, err := broken.next(); err == nil {
		t.Errorf("half a line was taken for one: %q", text)
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
