package chdb

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
)

// The engine's own numbers for what the endpoint finds out by itself.
const (
	codeSyntax         = "62"
	codeNotImplemented = "48"
	codeTooLarge       = "209"
	codeAuthentication = "516"
	codeUnknown        = "1002"
)

var codePattern = regexp.MustCompile(`^Code: (\d+)\.`)

// exception is an error of the endpoint in the engine's form, from which clients
// read the code.
func exception(code, name, message string) error { return exceptionError{code, name, message} }

type exceptionError struct{ code, name, message string }

func (e exceptionError) Error() string {
	return fmt.Sprintf("Code: %s. DB::Exception: %s (%s)", e.code, e.message, e.name)
}

// answerError writes err as ClickHouse does: text in the body, its number in a
// header, which is what typed errors of clients are made from.
func answerError(w http.ResponseWriter, err error) {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		err = exception(codeTooLarge, "LIMIT_EXCEEDED", fmt.Sprintf("the body is larger than the %d bytes allowed", tooLarge.Limit))
	}
	code := codeUnknown
	if m := codePattern.FindStringSubmatch(err.Error()); m != nil {
		code = m[1]
	}
	w.Header().Del("Content-Length")
	w.Header().Set("X-ClickHouse-Exception-Code", code)
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.WriteHeader(status(code))
	_, _ = io.WriteString(w, err.Error())
}

func status(code string) int {
	switch code {
	case "60", "81": // no such table, no such database
		return http.StatusNotFound
	case "36", "46", "47", codeSyntax: // bad arguments, functions, names, syntax
		return http.StatusBadRequest
	case codeTooLarge:
		return http.StatusRequestEntityTooLarge
	case codeAuthentication:
		return http.StatusForbidden
	case codeNotImplemented:
		return http.StatusNotImplemented
	}
	return http.StatusInternalServerError
}
