package rules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// pureFiles are the types that simulation runs against each other through
// millions of schedules: same input, same output, on every machine.
var pureFiles = []string{
	"internal/mailbox/*.go",
	"delivery/core*.go",
	"gate/gap.go",
	"client/dedupe.go",
}

// Of these packages nothing may be imported by a pure file, and why.
var impure = map[string]string{
	"net": "input and output", "os": "input and output", "io": "input and output", "syscall": "input and output",
	"log": "a pure type returns what is worth a log line", "context": "nothing in it waits",
	"database/sql": "state comes in as a value", "math/rand": "chance comes in as an argument", "crypto/rand": "chance comes in as an argument",
	"sync": "one owner, one goroutine", "runtime": "same output on every machine",
}

// Of package time a pure file may use the units, not the clock.
var clocks = map[string]bool{
	"Now": true, "Since": true, "Until": true, "After": true, "AfterFunc": true, "Sleep": true,
	"Tick": true, "NewTimer": true, "NewTicker": true,
}

func TestPureFiles(t *testing.T) {
	for _, pattern := range pureFiles {
		all, err := filepath.Glob(filepath.Join("../..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		beside, _ := filepath.Glob(filepath.Join("../..", filepath.Dir(pattern), "*.go"))
		if len(all) == 0 && len(beside) > 0 {
			t.Errorf("%s: no such file; the rule guards nothing", pattern)
		}
		for _, name := range all {
			if !strings.HasSuffix(name, "_test.go") {
				checkPure(t, name)
			}
		}
	}
}

func checkPure(t *testing.T, name string) {
	t.Helper()
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Errorf("parse: %v", err)
		return
	}
	for _, spec := range f.Imports {
		pkg, _ := strconv.Unquote(spec.Path.Value)
		for banned, why := range impure {
			if pkg == banned || strings.HasPrefix(pkg, banned+"/") {
				t.Errorf("%s imports %s: %s", files.Position(spec.Pos()), pkg, why)
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			t.Errorf("%s starts a goroutine: one owner, one goroutine", files.Position(n.Pos()))
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && clocks[n.Sel.Name] {
				t.Errorf("%s reads the clock (time.%s): time comes in as an argument", files.Position(n.Pos()), n.Sel.Name)
			}
		}
		return true
	})
}
