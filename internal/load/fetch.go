package load

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
)

// answerLimit bounds an answer, bytes: what is beyond it is not read.
const answerLimit = 16 << 20

// fetch reads what a console or a private port answers; another status than
// 200 is an error that has the answer's text.
func fetch(ctx context.Context, u string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("make the call: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", req.URL.Host, err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, answerLimit))
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", req.URL.Host, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s: %s", u, resp.Status, bytes.TrimSpace(b))
	}
	return b, nil
}
