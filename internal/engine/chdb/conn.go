package chdb

import (
	"errors"
	"runtime"
	"unsafe"
)

// Conn is one connection to the engine. It runs one query at a time and is not
// safe for concurrent use; several of them on one data directory run at once.
// Settings and the current database belong to the connection.
type Conn struct {
	lib    *Lib
	handle unsafe.Pointer // points to what queries take, in memory of the library
}

// Param is the value of {Name:Type} in a query, as text.
type Param struct{ Name, Value string }

// Open opens a connection to the data directory at path, which is created if it
// does not exist. All connections of a process name the same path. options are
// server settings in the form --name=value.
func (l *Lib) Open(path string, options ...string) (*Conn, error) {
	arguments := newCStrings(append([]string{"clickhouse", "--path=" + path}, options...))
	defer arguments.free()
	var handle unsafe.Pointer
	l.guard.run(func() { handle = l.fn.connect(int32(len(arguments.ptrs)), arguments.array()) })
	if handle == nil || *(*unsafe.Pointer)(handle) == nil {
		return nil, errors.New("open clickhouse: the engine refused " + path)
	}
	return &Conn{lib: l, handle: handle}, nil
}

// Close ends the connection; the last one closes the data directory.
func (c *Conn) Close() { c.lib.fn.closeConn(c.handle) }

// Exec runs a statement whose result is of no interest.
func (c *Conn) Exec(query string) error {
	return c.Query(Query{Text: query, Format: "Null"}, func([]byte) error { return nil })
}

// Query is one statement, the format of its answer, and its parameters.
type Query struct {
	Text, Format string
	Params       []Param
}

// Query runs q and hands the whole answer to use. The bytes belong to the
// library and are valid only until use returns. An error of the engine begins
// with "Code: N. DB::Exception".
func (c *Conn) Query(q Query, use func([]byte) error) error {
	result := c.run(q)
	if result == nil {
		return errors.New("query clickhouse: the engine gave no result")
	}
	defer c.lib.fn.destroy(result)
	if message := goString(c.lib.fn.resultError(result)); message != "" {
		return errors.New(message)
	}
	var answer []byte
	if n := c.lib.fn.resultLength(result); n > 0 {
		answer = unsafe.Slice((*byte)(c.lib.fn.resultBuffer(result)), n)
	}
	return use(answer)
}

func (c *Conn) run(q Query) unsafe.Pointer {
	text := newCStrings([]string{q.Text, q.Format})
	defer text.free()
	conn := *(*unsafe.Pointer)(c.handle)
	query, queryLen, format, formatLen := text.at(0), text.lens[0], text.at(1), text.lens[1]
	if len(q.Params) == 0 {
		return c.lib.fn.query(conn, query, queryLen, format, formatLen)
	}
	var names, values []string
	for _, p := range q.Params {
		names, values = append(names, p.Name), append(values, p.Value)
	}
	n, v := newCStrings(names), newCStrings(values)
	defer n.free()
	defer v.free()
	return c.lib.fn.queryParams(conn, query, queryLen, format, formatLen,
		n.array(), n.lengths(), v.array(), v.lengths(), uintptr(len(names)))
}

// cStrings is a char*[] with its lengths, pinned while C code reads it.
type cStrings struct {
	ptrs []*byte
	lens []uintptr
	pin  runtime.Pinner
}

func newCStrings(list []string) *cStrings {
	c := &cStrings{ptrs: make([]*byte, len(list)), lens: make([]uintptr, len(list))}
	for i, s := range list {
		b := make([]byte, len(s)+1)
		copy(b, s)
		c.pin.Pin(&b[0])
		c.ptrs[i], c.lens[i] = &b[0], uintptr(len(s))
	}
	c.pin.Pin(unsafe.SliceData(c.ptrs))
	c.pin.Pin(unsafe.SliceData(c.lens))
	return c
}

func (c *cStrings) at(i int) unsafe.Pointer { return unsafe.Pointer(c.ptrs[i]) }
func (c *cStrings) array() unsafe.Pointer   { return unsafe.Pointer(unsafe.SliceData(c.ptrs)) }
func (c *cStrings) lengths() unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(c.lens)) }
func (c *cStrings) free()                   { c.pin.Unpin() }
