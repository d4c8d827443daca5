package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// callPatience bounds a call; the server's own bound is 10 s.
const callPatience = 15 * time.Second

// caller is one connection of the app-server: calls one after another, kept
// alive. It speaks just enough HTTP/1.1, because a general client would cost
// as much CPU as the server that is measured.
type caller struct {
	nc   net.Conn
	in   *bufio.Reader
	head string // up to the value of Content-Length
	out  []byte
	body []byte // of the last answer
}

func newCaller(ctx context.Context, api, key string) (*caller, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", api)
	if err != nil {
		return nil, fmt.Errorf("connect to the push API: %w", err)
	}
	return &caller{
		nc: nc, in: bufio.NewReaderSize(nc, 32<<10),
		head: "POST /v1/pushes HTTP/1.1\r\nHost: " + api + "\r\nAuthorization: Bearer " + key + "\r\nContent-Type: application/json\r\nContent-Length: ",
	}, nil
}

func (c *caller) close() { _ = c.nc.Close() }

// call makes one call; the answer's body is valid until the next one.
func (c *caller) call(body []byte) (status int, answer []byte, err error) {
	_ = c.nc.SetDeadline(time.Now().Add(callPatience))
	c.out = append(c.out[:0], c.head...)
	c.out = strconv.AppendInt(c.out, int64(len(body)), 10)
	c.out = append(c.out, "\r\n\r\n"...)
	c.out = append(c.out, body...)
	if _, err := c.nc.Write(c.out); err != nil {
		return 0, nil, fmt.Errorf("write the call: %w", err)
	}
	return c.answer()
}

func (c *caller) answer() (status int, answer []byte, err error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, nil, fmt.Errorf("read the answer: %w", err)
	}
	if len(line) < len("HTTP/1.1 202") {
		return 0, nil, fmt.Errorf("read the answer: %q is no status line", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, fmt.Errorf("read the answer: %q is no status line", line)
	}
	size, err := c.headers()
	if err != nil {
		return 0, nil, err
	}
	c.body = append(c.body[:0], make([]byte, size)...)
	if _, err := io.ReadFull(c.in, c.body); err != nil {
		return 0, nil, fmt.Errorf("read the answer: %w", err)
	}
	return status, c.body, nil
}

// headers returns the body's size.
func (c *caller) headers() (size int, err error) {
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, fmt.Errorf("read the answer: %w", err)
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			return size, nil
		}
		if name, value, _ := bytes.Cut(line, []byte(":")); bytes.EqualFold(name, []byte("Content-Length")) {
			if size, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, fmt.Errorf("read the answer: %w", err)
			}
		}
	}
}

// tally is what became of the pushes of a call.
type tally struct{ accepted, refused, unknown uint64 }

// tallyOf an answer to n pushes.
func tallyOf(status int, answer []byte, n int) (t tally, err error) {
	all := uint64(n)
	switch status {
	case http.StatusAccepted:
		return tally{accepted: all}, nil
	case http.StatusMultiStatus, http.StatusGatewayTimeout, http.StatusServiceUnavailable:
	default:
		return tally{refused: all}, fmt.Errorf("the push API answered %d: %s", status, bytes.TrimSpace(answer))
	}
	var answers []struct{ Status string }
	if json.Unmarshal(answer, &answers) != nil {
		answers = append(answers[:0], struct{ Status string }{})
		_ = json.Unmarshal(answer, &answers[0]) // an unreadable one counts as unknown
		for len(answers) < n {
			answers = append(answers, answers[0])
		}
	}
	for _, a := range answers {
		t.add(a.Status)
	}
	return t, nil
}

func (t *tally) add(status string) {
	switch status {
	case "accepted":
		t.accepted++
	case "busy", "refused":
		t.refused++
	default:
		t.unknown++
	}
}

func (l *ledger) add(t tally) {
	l.accepted.Add(t.accepted)
	l.refused.Add(t.refused)
	l.unknown.Add(t.unknown)
}
