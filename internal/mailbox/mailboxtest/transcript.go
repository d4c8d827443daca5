package mailboxtest

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write what transcripts in testdata/ should have answered into them")

// Interpreter answers one input line of a transcript.
type Interpreter func(line string) (answer string, err error)

// Transcripts runs every transcript in testdata/ against an interpreter of its
// own. A transcript is prose (lines with #), inputs and answers: what stands
// between an input's line of dashes and the next empty line. Inputs that have
// no line of dashes are answered by nothing. With -rewrite the answers are
// replaced by those that were given.
func Transcripts(t *testing.T, start func() Interpreter) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("transcripts in testdata: %v, %v", files, err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(text), start())
			if *rewrite {
				if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(text) {
				t.Errorf("%s: answers differ (run with -rewrite to accept)\n%s", name, difference(string(text), got))
			}
		})
	}
}

// play is the transcript as it would stand with the answers that are given.
func play(t *testing.T, text string, interpret Interpreter) string {
	var out strings.Builder
	answer := false // inside an answer: skipped, it is written anew
	for line := range strings.Lines(text) {
		bare := strings.TrimSuffix(line, "\n")
		switch {
		case answer && bare != "":
			continue
		case bare == "" || strings.HasPrefix(bare, "#"):
			answer = false
			out.WriteString(line)
			continue
		case bare == "----":
			answer = true
			continue
		}
		said, err := interpret(bare)
		if err != nil {
			t.Fatalf("%q: %v", bare, err)
		}
		out.WriteString(line)
		if said != "" {
			out.WriteString("----\n" + strings.TrimSuffix(said, "\n") + "\n\n")
		}
	}
	return tidy(out.String())
}

// tidy leaves one empty line where an answer's own meets that of the file.
func tidy(s string) string {
	for strings.Contains(s, "\n\n\n") {
		s = strings.ReplaceAll(s, "\n\n\n", "\n\n")
	}
	return strings.TrimRight(s, "\n") + "\n"
}

// difference shows the first lines that differ.
func difference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	from := max(i-3, 0)
	return "want:\n" + strings.Join(a[from:min(i+8, len(a))], "\n") + "\ngot:\n" + strings.Join(b[from:min(i+8, len(b))], "\n")
}
