package chdb

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/google/go-cmp/cmp"
)

func TestReadRequest(t *testing.T) {
	type parsed struct {
		Text, Database, Format, Rows string
		Params                       []Param
		Settings                     []string
	}
	for name, test := range map[string]struct {
		url, body string
		want      parsed
	}{
		"query in the body": {"/", "SELECT 1", parsed{Text: "SELECT 1", Database: "default", Format: "TabSeparated"}},
		"query in the address": {
			"/?query=SELECT+1&database=d&default_format=Native", "",
			parsed{Text: "SELECT 1", Database: "d", Format: "Native"},
		},
		"rows": {
			"/?query=INSERT+INTO+t+FORMAT+TSV", "1\n2\n",
			parsed{Text: "INSERT INTO t FORMAT TSV", Database: "default", Format: "TabSeparated", Rows: "1\n2\n"},
		},
		"parameters and settings": {
			"/?param_x=1&max_threads=2&async_insert=0&query_id=q&client_protocol_version=54485", "SELECT {x:UInt8}",
			parsed{
				Text: "SELECT {x:UInt8}", Database: "default", Format: "TabSeparated",
				Params: []Param{{"x", "1"}}, Settings: []string{"async_insert=0", "max_threads=2"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			q, err := readRequest(httptest.NewRequest(http.MethodPost, test.url, strings.NewReader(test.body)))
			if err != nil {
				t.Fatal(err)
			}
			defer q.close()
			got := parsed{Text: q.text, Database: q.database, Format: q.format, Params: q.params}
			for _, s := range q.settings {
				got.Settings = append(got.Settings, s.name+"="+s.value)
			}
			if q.rows != nil {
				rows, err := io.ReadAll(io.NewSectionReader(q.rows, 0, 1<<20))
				if err != nil {
					t.Fatal(err)
				}
				got.Rows = string(rows)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadRequestRefuses(t *testing.T) {
	for name, test := range map[string]struct{ url, encoding, want string }{
		"compressed answer": {"/?compress=1", "", "compress=1"},
		"foreign encoding":  {"/", "br", "encoding br"},
		"no gzip":           {"/", "gzip", "gzip"},
		"blocks":            {"/?decompress=1", "", "decompress=1"},
		"name of a setting": {"/?a+b=1", "", "no name of a setting"},
	} {
		r := httptest.NewRequest(http.MethodPost, test.url, strings.NewReader("SELECT 1"))
		r.Header.Set("Content-Encoding", test.encoding)
		if _, err := readRequest(r); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q in it", name, err, test.want)
		}
	}
}

func TestReadRequestUnzips(t *testing.T) {
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, _ = w.Write([]byte("SELECT 1"))
	_ = w.Close()
	r := httptest.NewRequest(http.MethodPost, "/", &zipped)
	r.Header.Set("Content-Encoding", "gzip")
	q, err := readRequest(r)
	if err != nil || q.text != "SELECT 1" {
		t.Errorf("%+v, %v", q, err)
	}
}

func FuzzReadRequest(f *testing.F) {
	f.Add("query=INSERT+INTO+t+FORMAT+Native", "\x82")
	f.Add("param_x=%27&max_threads=1", "SELECT {x:String}")
	f.Fuzz(func(t *testing.T, query, body string) {
		r := &http.Request{Method: http.MethodPost, URL: &url.URL{Path: "/", RawQuery: query}, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
		q, err := readRequest(r)
		if err != nil {
			return
		}
		defer q.close()
		if text, err := q.statement(); err == nil && q.rows == nil && text != q.text {
			t.Errorf("%q became %q", q.text, text)
		}
	})
}

func TestStatement(t *testing.T) {
	for text, want := range map[string]string{
		"INSERT INTO t (a) FORMAT Native":      "INSERT INTO t (a) FROM INFILE '/proc/self/fd/",
		"insert into t format\n TSV ; ":        "insert into t FROM INFILE '/proc/self/fd/",
		"INSERT INTO format FORMAT RowBinary;": "INSERT INTO format FROM INFILE '/proc/self/fd/",
	} {
		rows, err := inMemory(strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		q := &request{text: text, rows: rows}
		if got, err := q.statement(); err != nil || !strings.HasPrefix(got, want) {
			t.Errorf("%q became %q, %v", text, got, err)
		}
		q.text = "INSERT INTO t VALUES"
		if _, err := q.statement(); err == nil {
			t.Error("rows without a format were accepted")
		}
		q.close()
	}
}

func TestBounded(t *testing.T) {
	s := &session{limit: 60}
	for asked, want := range map[string]string{"7": "7", "0.5": "1", "60": "60", "61": "60", "0": "60", "-1": "60", "": "60", "NaN": "60", "1e9": "60"} {
		if got := s.bounded(asked); got != want {
			t.Errorf("asked for %q, got %s, want %s", asked, got, want)
		}
	}
}

func TestQuote(t *testing.T) {
	if got, want := quoteText(`it's \ 'x'`), `'it\'s \\ \'x\''`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := quoteName("a`b"), "`a\\`b`"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestHello decodes it as the driver does before it knows a revision.
func TestHello(t *testing.T) {
	var (
		name, version, zone proto.ColStr
		revision            proto.ColUInt32
		block               proto.Block
	)
	results := proto.Results{
		{Name: "displayName()", Data: &name}, {Name: "version()", Data: &version},
		{Name: "revision()", Data: &revision}, {Name: "timezone()", Data: &zone},
	}
	if err := block.DecodeBlock(proto.NewReader(bytes.NewReader(hello("26.7.2.1"))), 54460, results); err != nil {
		t.Fatal(err)
	}
	if name.Row(0) != displayName || version.Row(0) != "26.7.2.1" || revision.Row(0) != 0 || zone.Row(0) != "UTC" {
		t.Errorf("%v %v %v %v", name.Row(0), version.Row(0), revision.Row(0), zone.Row(0))
	}
}
