package ingest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// benchBody is a call of n pushes of about 200 bytes.
func benchBody(n int) string {
	elements := make([]string, n)
	for i := range elements {
		elements[i] = fmt.Sprintf(`{"user":"driver-%04d","family":7,"command":1,"json":{"order":"o-123456","from":{"lat":48.1374,"lon":11.5755},"to":{"lat":48.2082,"lon":16.3738},"price":1234,"note":"two pallets, forklift needed"},"ttl":60,"label":"order"}`, i)
	}
	if n == 1 {
		return elements[0]
	}
	return "[" + strings.Join(elements, ",") + "]"
}

// What a push costs from the handler to the log's acknowledgement, broker
// included, without the HTTP connection; 16 callers at a time for each core.
func BenchmarkHandler(b *testing.B) {
	w := newWorld(b)
	s, _ := w.serve()
	handler := s.Handler()
	for _, n := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("pushes=%d", n), func(b *testing.B) {
			body := benchBody(n)
			b.SetParallelism(16)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					r := httptest.NewRequest(http.MethodPost, "/v1/pushes", strings.NewReader(body))
					r.Header.Set("Authorization", "Bearer "+cityKey)
					answer := httptest.NewRecorder()
					handler.ServeHTTP(answer, r)
					if answer.Code != http.StatusAccepted {
						b.Error(answer.Code, answer.Body)
						return
					}
				}
			})
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/push")
		})
	}
}

// What ingest itself adds: everything but the log.
func BenchmarkTake(b *testing.B) {
	body := benchBody(100)
	s := &Server{cfg: Config{Node: "ingest-1@bench"}}
	b.ReportAllocs()
	for b.Loop() {
		requests, bad := parseArray(body, false)
		if bad != nil {
			b.Fatal(bad)
		}
		batch := newBatch("freight", len(requests))
		for i := range requests {
			e := s.event(batch.app, &requests[i])
			e.User = requests[i].users[0]
			_ = record(e)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*100), "ns/push")
}

// A push on a stream over loopback HTTP, client and broker included: 4 streams.
func BenchmarkStream(b *testing.B) {
	w := newWorld(b)
	s, _ := w.serve()
	const streams = 4
	b.ReportAllocs()
	b.ResetTimer()
	var all sync.WaitGroup
	for range streams {
		all.Go(func() { streamLines(b, s, b.N/streams+1) })
	}
	all.Wait()
}

// streamLines sends the same line n times and counts the answers.
func streamLines(b *testing.B, s *Server, n int) {
	line := []byte(benchBody(1) + "\n")
	body, send := io.Pipe()
	req, err := http.NewRequest(http.MethodPost, "http://"+s.Addr()+"/v1/pushes", body)
	if err != nil {
		b.Error(err)
		return
	}
	req.Header.Set("Authorization", "Bearer "+cityKey)
	req.Header.Set("Content-Type", "application/x-ndjson")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Error(err)
		return
	}
	defer resp.Body.Close()
	go func() {
		out := bufio.NewWriterSize(send, 16<<10)
		for range n {
			_, _ = out.Write(line)
		}
		_ = out.Flush()
		_ = send.Close()
	}()
	answers := bufio.NewScanner(resp.Body)
	for ; answers.Scan(); n-- {
		if !bytes.Contains(answers.Bytes(), []byte(`"accepted"`)) {
			b.Error(answers.Text())
			return
		}
	}
	if n != 0 {
		b.Errorf("%d lines without an answer: %v", n, answers.Err())
	}
}
