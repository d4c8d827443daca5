package chdb

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/ebitengine/purego"
)

// Lib is the loaded library. It is never unloaded: its threads live as long as
// the process.
type Lib struct {
	version string
	guard   guard
	fn      functions
}

// functions are the entry points of the C API that are used here. Pointers that
// they return belong to the library until destroy or closeConn.
type functions struct {
	version     func() unsafe.Pointer
	connect     func(argc int32, argv unsafe.Pointer) unsafe.Pointer
	closeConn   func(conn unsafe.Pointer)
	query       func(conn, q unsafe.Pointer, qLen uintptr, format unsafe.Pointer, formatLen uintptr) unsafe.Pointer
	queryParams func(conn, q unsafe.Pointer, qLen uintptr, format unsafe.Pointer, formatLen uintptr,
		names, nameLens, values, valueLens unsafe.Pointer, n uintptr) unsafe.Pointer
	destroy        func(result unsafe.Pointer)
	resultBuffer   func(result unsafe.Pointer) unsafe.Pointer
	resultLength   func(result unsafe.Pointer) uintptr
	resultError    func(result unsafe.Pointer) unsafe.Pointer
	enableHandlers func(on int32)
}

// Load opens the library file at path. Afterwards every signal is handled as it
// was before, by the Go runtime.
func Load(path string) (*Lib, error) {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("load libchdb: %w", err)
	}
	l := &Lib{}
	if err := l.bind(handle); err != nil {
		return nil, fmt.Errorf("load libchdb %s: %w", path, err)
	}
	if l.guard, err = newGuard(); err != nil {
		return nil, fmt.Errorf("load libchdb: %w", err)
	}
	l.guard.run(func() { l.fn.enableHandlers(0) })
	l.version = goString(l.fn.version())
	return l, nil
}

// Version is the engine's version in the library's words, such as
// "26.7.3-stable.1".
func (l *Lib) Version() string { return l.version }

// bind looks every function up, and says which one another build of the library
// lacks instead of panicking.
func (l *Lib) bind(handle uintptr) error {
	for _, b := range []struct {
		name string
		fn   any
	}{
		{"chdb_version", &l.fn.version},
		{"chdb_connect", &l.fn.connect},
		{"chdb_close_conn", &l.fn.closeConn},
		{"chdb_query_n", &l.fn.query},
		{"chdb_query_with_params_n", &l.fn.queryParams},
		{"chdb_destroy_query_result", &l.fn.destroy},
		{"chdb_result_buffer", &l.fn.resultBuffer},
		{"chdb_result_length", &l.fn.resultLength},
		{"chdb_result_error", &l.fn.resultError},
		{"chdb_set_signal_handlers_enabled", &l.fn.enableHandlers},
	} {
		address, err := purego.Dlsym(handle, b.name)
		if err != nil {
			return errors.New("it has no function " + b.name + "; 26.7 has")
		}
		purego.RegisterFunc(b.fn, address)
	}
	return nil
}

// goString copies a C string; nil is "".
func goString(p unsafe.Pointer) string {
	if p == nil {
		return ""
	}
	n := 0
	for *(*byte)(unsafe.Add(p, n)) != 0 {
		n++
	}
	return string(unsafe.Slice((*byte)(p), n))
}
