package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"strings"
	"testing"
)

const module = "waybill"

// listed is what `go list` says of a package; paths of ours are cut down to
// those within the module by rel.
type listed struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Deps         []string
}

func TestImports(t *testing.T) {
	packages := list(t)
	for _, b := range bans() {
		if b.why == "" {
			t.Fatalf("ban %v → %v has no reason", b.from, b.to)
		}
		for _, p := range packages {
			for _, to := range b.broken(p) {
				t.Errorf("%s imports %s\n\t%s", rel(p.ImportPath), to, b.why)
			}
		}
	}
}

func TestHelpersStayOutOfProduction(t *testing.T) {
	for _, p := range list(t) {
		if isHelper(rel(p.ImportPath)) {
			continue
		}
		for _, to := range p.Imports {
			if strings.HasPrefix(to, module+"/") && isHelper(rel(to)) {
				t.Errorf("%s imports the test helper %s outside of its tests", rel(p.ImportPath), rel(to))
			}
		}
	}
}

// broken lists the imports of p that b forbids.
func (b ban) broken(p listed) []string {
	from := rel(p.ImportPath)
	if !matchAny(b.from, from) || matchAny(b.except, from) || isHelper(from) {
		return nil
	}
	var bad []string
	for _, to := range b.looksAt(p) {
		if to := rel(to); matchAny(b.to, to) && !matchAny(b.allow, to) {
			bad = append(bad, to)
		}
	}
	return bad
}

// looksAt chooses the imports that the ban is about.
func (b ban) looksAt(p listed) []string {
	imports := p.Imports
	if b.deep {
		imports = p.Deps
	}
	if b.tests {
		imports = append(append(append([]string{}, imports...), p.TestImports...), p.XTestImports...)
	}
	self := imports[:0:0]
	for _, to := range imports {
		if to != p.ImportPath { // an external test imports its own package
			self = append(self, to)
		}
	}
	return self
}

// isHelper says that a package exists for tests alone.
func isHelper(pkg string) bool { return strings.HasSuffix(path.Base(pkg), "test") }

func matchAny(patterns []string, pkg string) bool {
	for _, p := range patterns {
		if match(p, pkg) {
			return true
		}
	}
	return false
}

func match(pattern, pkg string) bool {
	if pattern == "*" {
		return strings.HasPrefix(pkg, "./")
	}
	if !strings.Contains(strings.SplitN(pattern, "/", 2)[0], ".") && !isStd(pattern) {
		pattern = "./" + pattern
	}
	if below, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == below || strings.HasPrefix(pkg, below+"/")
	}
	return pkg == pattern
}

// isStd knows the few packages of the standard library that bans name.
func isStd(pattern string) bool {
	return strings.HasPrefix(pattern, "testing") || strings.HasPrefix(pattern, "database/")
}

// rel marks a package of ours with "./", so that no other path looks like it.
func rel(importPath string) string {
	if within, ok := strings.CutPrefix(importPath, module+"/"); ok {
		return "./" + within
	}
	return importPath
}

// list asks the go command for every package of the module.
func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports,TestImports,XTestImports,Deps", "./...")
	cmd.Dir = "../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("read go list: %v", err)
		}
		all = append(all, p)
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, pkg string
		want         bool
	}{
		{"*", module + "/gate", true},
		{"*", "github.com/google/uuid", false},
		{"gate/...", module + "/gate", true},
		{"gate/...", module + "/gate/inner", true},
		{"gate/...", module + "/gateway", false},
		{"gate", module + "/gate/inner", false},
		{"projector/hop/...", module + "/projector/session", false},
		{"github.com/twmb/franz-go/...", "github.com/twmb/franz-go/pkg/kgo", true},
		{"database/sql", "database/sql", true},
		{"testing", "testing/fstest", false},
	} {
		if got := match(c.pattern, rel(c.pkg)); got != c.want {
			t.Errorf("match(%q, %q) = %v, want %v", c.pattern, c.pkg, got, c.want)
		}
	}
}
