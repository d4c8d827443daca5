package chdb

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A request is one call of the HTTP interface: a query with, for an INSERT,
// its rows.
type request struct {
	text             string
	database, format string
	params           []Param
	settings         []setting

	// rows is a nameless file in memory with the body of an INSERT, or nil.
	rows *os.File
}

type setting struct{ name, value string }

const defaultDatabase = "default"

var (
	identifier      = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	trailingFormat  = regexp.MustCompile(`(?is)\bFORMAT\s+([A-Za-z0-9_]+)\s*;?\s*$`)
	sessionKeywords = regexp.MustCompile(`(?is)^\s*(SET|USE)\s`)
)

// isInterface says which URL parameters are the interface's own: all others are
// settings.
func isInterface(name string) bool {
	switch name {
	case "query", "database", "default_format", "query_id", "quota_key", "user", "password",
		"session_id", "session_timeout", "session_check",
		"client_protocol_version", "compress", "decompress", "network_compression_method", "network_zstd_compression_level",
		"enable_http_compression", "wait_end_of_query", "buffer_size", "http_write_exception_in_output_format":
		return true
	}
	return false
}

// readRequest reads the whole body. The caller closes the request.
func readRequest(r *http.Request) (*request, error) {
	values := r.URL.Query()
	q := &request{database: defaultDatabase, format: "TabSeparated"}
	if err := q.readValues(values); err != nil {
		return nil, err
	}
	body, err := decoded(r)
	if err != nil {
		return nil, err
	}
	if q.text = values.Get("query"); q.text == "" {
		text, err := io.ReadAll(body)
		q.text = string(text)
		return q, err
	}
	q.rows, err = inMemory(body)
	return q, err
}

func (q *request) readValues(values url.Values) error {
	if v := values.Get("database"); v != "" {
		q.database = v
	}
	if v := values.Get("default_format"); v != "" {
		q.format = v
	}
	for _, name := range []string{"compress", "decompress"} {
		if values.Get(name) == "1" {
			return exception(codeNotImplemented, "NOT_IMPLEMENTED", name+"=1 is not supported by the embedded engine; ask without compression, or with gzip")
		}
	}
	for name, v := range values {
		if param, ok := strings.CutPrefix(name, "param_"); ok {
			q.params = append(q.params, Param{Name: param, Value: v[0]})
			continue
		}
		if isInterface(name) {
			continue
		}
		if !identifier.MatchString(name) {
			return exception(codeSyntax, "SYNTAX_ERROR", fmt.Sprintf("%q is no name of a setting", name))
		}
		q.settings = append(q.settings, setting{name, v[0]})
	}
	slices.SortFunc(q.settings, func(a, b setting) int { return strings.Compare(a.name, b.name) })
	return nil
}

// decoded undoes the one encoding that is supported.
func decoded(r *http.Request) (io.Reader, error) {
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "":
		return r.Body, nil
	case "gzip":
		zipped, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, fmt.Errorf("read gzip body: %w", err)
		}
		return http.MaxBytesReader(nil, zipped, maxDecoded), nil
	default:
		return nil, exception(codeNotImplemented, "NOT_IMPLEMENTED", "content encoding "+encoding+" is not supported by the embedded engine; gzip is")
	}
}

// maxDecoded bounds a compressed body after decompression.
const maxDecoded = 1 << 30

// inMemory copies the body into a file that has no name and no place on a disk;
// nil if the body is empty.
func inMemory(body io.Reader) (*os.File, error) {
	fd, err := unix.MemfdCreate("clickhouse-rows", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("buffer body: %w", err)
	}
	f := os.NewFile(uintptr(fd), "clickhouse-rows")
	n, err := io.Copy(f, body)
	if err != nil || n == 0 {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func (q *request) close() {
	if q.rows != nil {
		_ = q.rows.Close()
	}
}

// statement is the text to run. The library cuts binary rows after a query at
// line ends, so they are read from their file instead.
func (q *request) statement() (string, error) {
	if q.rows == nil {
		return q.text, nil
	}
	at := trailingFormat.FindStringSubmatchIndex(q.text)
	if at == nil {
		return "", exception(codeSyntax, "SYNTAX_ERROR", "a query with a body must end in FORMAT and a format's name")
	}
	return fmt.Sprintf("%sFROM INFILE '/proc/self/fd/%d' FORMAT %s", q.text[:at[0]], q.rows.Fd(), q.text[at[2]:at[3]]), nil
}

// isSessionOnly is true for a statement that would change nothing but a
// session. A server without a session id forgets it with the answer.
func (q *request) isSessionOnly() bool { return sessionKeywords.MatchString(q.text) }
