package e2e

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestReports holds the table of doc.go against the tests: each report has one
// that there is; where a test has parts, one of them bears the report's name, or
// begins as the table says.
func TestReports(t *testing.T) {
	parts := testNames(t)
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^//\t([a-z][^\n]*\S)  +(Test[^\n]+)$`)
	rows := line.FindAllStringSubmatch(string(text), -1)
	const reports = 14 // the issue has 13, of which one is about a broker or a worker
	if len(rows) != reports {
		t.Errorf("the table has %d reports, want %d", len(rows), reports)
	}
	for _, row := range rows {
		for _, named := range strings.Split(row[2], ", ") {
			test, begins, told := strings.Cut(named, "/")
			if !told {
				begins = row[1]
			}
			switch all, ok := parts[test]; {
			case !ok:
				t.Errorf("%q: there is no test %s", row[1], test)
			case (told || strings.HasSuffix(test, "Reports") || test == "TestSessions") && !anyBegins(all, begins):
				t.Errorf("%q: no part of %s begins with %q", row[1], test, begins)
			}
		}
	}
}

func anyBegins(all []string, with string) bool {
	for _, s := range all {
		if strings.HasPrefix(s, with) {
			return true
		}
	}
	return false
}

// testNames are the tests of this folder, and the texts in each: its parts are
// among them.
func testNames(t *testing.T) map[string][]string {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string][]string)
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(fn.Name.Name, "Test") {
				names[fn.Name.Name] = textsOf(fn)
			}
		}
	}
	return names
}

func textsOf(fn *ast.FuncDecl) (all []string) {
	all = []string{}
	ast.Inspect(fn, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if s, err := strconv.Unquote(lit.Value); err == nil {
				all = append(all, s)
			}
		}
		return true
	})
	return all
}
