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
	"time"
)

// linesAtOnce is how many lines one write of a stream carries at most.
const linesAtOnce = 64

// lineStream is one NDJSON call: lines out, answers in, at the same time.
type lineStream struct {
	nc net.Conn
	in *bufio.Reader
}

func openLines(ctx context.Context, api, key string) (*lineStream, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", api)
	if err != nil {
		return nil, fmt.Errorf("connect to the push API: %w", err)
	}
	_, err = io.WriteString(nc, "POST /v1/pushes HTTP/1.1\r\nHost: "+api+"\r\nAuthorization: Bearer "+key+
		"\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n")
	if err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("write the call: %w", err)
	}
	return &lineStream{nc: nc, in: bufio.NewReaderSize(nc, 64<<10)}, nil
}

// write sends lines as one chunk. scratch is reused.
func (s *lineStream) write(scratch, lines []byte) ([]byte, error) {
	_ = s.nc.SetWriteDeadline(time.Now().Add(callPatience))
	scratch = fmt.Appendf(scratch[:0], "%x\r\n", len(lines))
	scratch = append(append(scratch, lines...), "\r\n"...)
	if _, err := s.nc.Write(scratch); err != nil {
		return scratch, fmt.Errorf("write lines: %w", err)
	}
	return scratch, nil
}

// finish says that no more lines come.
func (s *lineStream) finish() error {
	_, err := io.WriteString(s.nc, "0\r\n\r\n")
	return err
}

// read calls each for every answer until the stream ends.
func (s *lineStream) read(each func(status string)) error {
	resp, err := http.ReadResponse(s.in, nil)
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		return fmt.Errorf("the push API answered %s: %s", resp.Status, bytes.TrimSpace(b))
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 64<<10), 1<<20)
	for lines.Scan() {
		each(statusOf(lines.Bytes()))
	}
	return lines.Err()
}

var acceptedLine = []byte(`{"status":"accepted"`)

// statusOf an answer; the usual one is known by its beginning.
func statusOf(line []byte) string {
	if bytes.HasPrefix(line, acceptedLine) {
		return "accepted"
	}
	var a struct{ Status string }
	_ = json.Unmarshal(line, &a) // an unreadable one counts as unknown
	return a.Status
}
