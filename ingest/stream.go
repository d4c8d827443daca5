package ingest

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"waybill/schemas"
)

const (
	// linesInFlight of one stream wait for the log; then the stream is read no
	// further. At 1 ms an append, 512 lines let one stream do all that two
	// cores can.
	linesInFlight = 512
	// streamBuffer holds a usual line; a longer one is put together elsewhere.
	streamBuffer = 64 << 10
	// writePatience ends a stream whose caller does not read its answers.
	writePatience = 30 * time.Second
)

// A stream is one call whose lines are push requests, each answered by a line,
// in order. The reader appends and hands what is in flight to the writer.
//
//	body ──▶ reader ──append──▶ log
//	            └──▶ lines (bounded) ──▶ writer: wait, encode, flush when idle
type stream struct {
	server *Server
	app    string
	http   *http.ResponseController
	out    *bufio.Writer
	lines  chan line // reader sends and closes, writer receives
}

// line is what the writer answers: a batch that is on its way, or why not.
type line struct {
	batch *batch
	bad   *Violation
	began time.Time
}

// handleStream is the writer; the reader ends before it returns.
func (s *Server) handleStream(w http.ResponseWriter, r *http.Request, app string) {
	x := &stream{
		server: s, app: app,
		http:  http.NewResponseController(w),
		out:   bufio.NewWriterSize(w, 16<<10),
		lines: make(chan line, linesInFlight),
	}
	_ = x.http.EnableFullDuplex() // HTTP/2 is so anyway
	_ = x.http.SetReadDeadline(time.Time{})
	stop := context.AfterFunc(s.draining, func() { _ = x.http.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	go x.read(r.Body)
	x.write()
}

// read takes lines until the body ends, breaks, or the server drains. What came
// of a line that is not whole is thrown away: it gets no answer.
func (x *stream) read(body io.Reader) {
	defer close(x.lines)
	in := &lineReader{from: bufio.NewReaderSize(body, streamBuffer)}
	for {
		text, err := in.next()
		if errors.Is(err, errLongLine) {
			x.lines <- line{bad: violation("", "is longer than one line may be", "1 MiB (1048576 bytes); the stream ends here"), began: time.Now()}
			return
		}
		if err != nil {
			return
		}
		if text != "" {
			x.lines <- x.take(text)
		}
	}
}

// take hands one line's pushes to the log.
func (x *stream) take(text string) line {
	l := line{began: time.Now()}
	var r request
	if l.bad = parseOne(&r, text); l.bad != nil {
		return l
	}
	l.batch = newBatch(x.app, 1)
	x.server.take(l.batch, &r)
	l.batch.leave()
	return l
}

// write answers line by line. After the first failed write it only waits for
// the reader, which then ends too.
func (x *stream) write() {
	failed := x.flush() // the caller sees at once that it may send
	var answer []byte
	for l := range x.lines {
		answer = append(x.answer(answer[:0], l), '\n')
		if failed != nil {
			continue
		}
		if failed = x.put(answer); failed == nil && len(x.lines) == 0 {
			failed = x.flush()
		}
		if failed != nil {
			_ = x.http.SetReadDeadline(time.Unix(1, 0))
		}
	}
	if failed == nil {
		_ = x.flush() // there is nobody left to tell
	}
}

// put one answer beside those that wait to be flushed.
func (x *stream) put(answer []byte) error {
	if x.out.Available() < len(answer) {
		_ = x.http.SetWriteDeadline(time.Now().Add(writePatience))
	}
	_, err := x.out.Write(answer)
	return err
}

func (x *stream) flush() error {
	_ = x.http.SetWriteDeadline(time.Now().Add(writePatience))
	if err := x.out.Flush(); err != nil {
		return err
	}
	return x.http.Flush()
}

// answer waits for one line's end and appends it.
func (x *stream) answer(b []byte, l line) []byte {
	if l.bad != nil {
		x.server.metrics.refuse(schemas.Reason_REASON_BAD_REQUEST)
		return appendFailure(b, failureOf(l.bad))
	}
	t := l.batch.wait(x.server.cfg.CallTimeout)
	x.server.metrics.answered(t, l.began, false)
	return appendAnswer(b, &l.batch.answers[0])
}

// lineReader cuts lines, of which only the last may lack its end.
type lineReader struct {
	from *bufio.Reader
	long []byte
}

var errLongLine = errors.New("the line is too long")

// next line without its end; an error instead of what is left of a broken one.
func (r *lineReader) next() (string, error) {
	r.long = r.long[:0]
	for {
		piece, err := r.from.ReadSlice('\n')
		if len(r.long)+len(piece) > MaxLine {
			return "", errLongLine
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			r.long = append(r.long, piece...)
			continue
		case errors.Is(err, io.EOF) && len(r.long)+len(piece) > 0:
		case err != nil:
			return "", err
		}
		if len(r.long) == 0 {
			return trimLine(piece), nil
		}
		return trimLine(append(r.long, piece...)), nil
	}
}

func trimLine(b []byte) string {
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r' || b[len(b)-1] == ' ') {
		b = b[:len(b)-1]
	}
	return string(b)
}
