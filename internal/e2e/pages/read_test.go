package pages

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"waybill/internal/e2e/program"
)

// page is what a test needs of one.
type page struct {
	path     string
	commands []command
	spans    []command // commands within a sentence
	json     []string  // blocks of JSON, in order
}

// command as it stands on the page, without the comment behind it.
type command struct {
	line   int
	text   string
	answer string // JSON that the page shows for it; empty: none
}

// pages are the paths of all pages, README first.
func pages(t testing.TB) []string {
	t.Helper()
	root := program.Root(t)
	all := []string{"README.md", "CONTRIBUTING.md"}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			path, err = filepath.Rel(root, path)
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func readPage(t testing.TB, path string) page {
	t.Helper()
	p := parsePage(string(program.Read(t, path)))
	p.path = path
	return p
}

var (
	fence = regexp.MustCompile("^```(\\w*)$")
	span  = regexp.MustCompile("`([^`]+)`")
	// programs are what a command begins with.
	programs = regexp.MustCompile(`^(make|(bin/)?waybill|curl|docker|go|\.ci/\S+)( |$)`)
	comment  = regexp.MustCompile(`(^|\s+)#.*$`)
)

func parsePage(text string) page {
	var p page
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		opens := fence.FindStringSubmatch(lines[i])
		if opens == nil {
			for _, found := range span.FindAllStringSubmatch(lines[i], -1) {
				if programs.MatchString(found[1]) && (strings.Contains(found[1], " ") || found[1][0] == '.') {
					p.spans = append(p.spans, command{line: i + 1, text: found[1]})
				}
			}
			continue
		}
		end := i + 1 + slices.Index(lines[i+1:], "```")
		block := lines[i+1 : end]
		shell := opens[1] == "sh" || opens[1] == "" && len(block) > 0 && programs.MatchString(block[0])
		switch {
		case opens[1] == "json":
			p.json = append(p.json, strings.Join(block, "\n"))
			if i > 0 && lines[i-1] == "```" && len(p.commands) > 0 {
				p.commands[len(p.commands)-1].answer = strings.Join(block, "\n")
			}
		case shell:
			p.commands = append(p.commands, commands(block, i+2)...)
		}
		i = end
	}
	return p
}

// commands of a block that begins at a line. One that ends with a backslash
// goes on in the next line.
func commands(block []string, line int) (all []command) {
	for i := 0; i < len(block); i++ {
		c := command{line: line + i, text: block[i]}
		for strings.HasSuffix(c.text, `\`) && i+1 < len(block) {
			i++
			c.text = strings.TrimRight(strings.TrimSuffix(c.text, `\`), " ") + " " + strings.TrimSpace(block[i])
		}
		if c.text = comment.ReplaceAllString(c.text, ""); c.text != "" {
			all = append(all, c)
		}
	}
	return all
}

func TestParsePage(t *testing.T) {
	got := parsePage("Use `make x`, `waybill`, not `makes y`.\n```sh\n# first\nmake a   # why\ncurl b \\\n  c\n```\n```json\n{}\n```\n```\n  picture\n```\n```\nwaybill d\n```")
	want := page{
		commands: []command{{line: 4, text: "make a"}, {line: 5, text: "curl b c", answer: "{}"}, {line: 15, text: "waybill d"}},
		spans:    []command{{line: 1, text: "make x"}},
		json:     []string{"{}"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(page{}, command{})); diff != "" {
		t.Error(diff)
	}
}
