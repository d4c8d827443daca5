package deploy

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// readYAML reads the part of YAML that compose.yaml is written in, and refuses
// every other: mappings in block form, lists in flow form, scalars of one line,
// anchors, aliases and merges. Scalars stay text, as compose hands them on.
func readYAML(text string) (map[string]any, error) {
	r := yamlReader{anchors: make(map[string]any)}
	for i, line := range strings.Split(text, "\n") {
		content := strings.TrimRight(withoutComment(line), " ")
		if body := strings.TrimLeft(content, " "); body != "" {
			r.lines = append(r.lines, yamlLine{number: i + 1, indent: len(content) - len(body), body: body})
		}
	}
	m, err := r.mapping(0)
	if err == nil && len(r.lines) > 0 {
		err = r.wrong("is indented less than what it belongs to")
	}
	return m, err
}

type yamlLine struct {
	number, indent int
	body           string
}

// yamlReader takes lines from the front.
type yamlReader struct {
	lines   []yamlLine
	anchors map[string]any
}

func (r *yamlReader) wrong(what string) error {
	return fmt.Errorf("line %d: %q %s", r.lines[0].number, r.lines[0].body, what)
}

var yamlKey = regexp.MustCompile(`^(<<|[A-Za-z_][A-Za-z0-9_-]*)$`)

// mapping reads all lines of one indent.
func (r *yamlReader) mapping(indent int) (map[string]any, error) {
	m, own := make(map[string]any), make(map[string]bool)
	for len(r.lines) > 0 && r.lines[0].indent == indent {
		key, rest, ok := strings.Cut(r.lines[0].body, ":")
		if !ok || rest != "" && rest[0] != ' ' || !yamlKey.MatchString(key) {
			return nil, r.wrong("is no key with a value; allowed: mappings in block form, lists in flow form")
		}
		if own[key] {
			return nil, r.wrong("stands twice")
		}
		value, err := r.value(indent, strings.TrimSpace(rest))
		if err != nil {
			return nil, err
		}
		if key != "<<" {
			m[key], own[key] = value, true
			continue
		}
		merged, ok := value.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("a merge of %v, which is no mapping", value)
		}
		for k, v := range merged {
			if !own[k] {
				m[k] = v
			}
		}
	}
	if len(r.lines) > 0 && r.lines[0].indent > indent {
		return nil, r.wrong("is indented more than its neighbours")
	}
	return m, nil
}

// value reads what stands behind a key, and the lines below it if that is
// nothing.
func (r *yamlReader) value(indent int, text string) (any, error) {
	name, anchored := strings.CutPrefix(text, "&")
	if anchored {
		text = ""
	}
	if alias, ok := strings.CutPrefix(text, "*"); ok {
		v, ok := r.anchors[alias]
		if !ok {
			return nil, r.wrong("is an alias of nothing")
		}
		r.lines = r.lines[1:]
		return v, nil
	}
	if text != "" {
		v, err := inline(text)
		if err != nil {
			return nil, r.wrong(err.Error())
		}
		r.lines = r.lines[1:]
		return v, nil
	}
	r.lines = r.lines[1:]
	if len(r.lines) == 0 || r.lines[0].indent <= indent {
		return nil, nil
	}
	m, err := r.mapping(r.lines[0].indent)
	if anchored {
		r.anchors[name] = m
	}
	return m, err
}

// inline reads a list in flow form, or a scalar.
func inline(text string) (any, error) {
	if !strings.HasPrefix(text, "[") {
		s, rest, err := scalar(text, "")
		if err == nil && rest != "" {
			err = fmt.Errorf("goes on after its end with %q", rest)
		}
		return s, err
	}
	list := []any{}
	text = strings.TrimSpace(text[1:])
	for text != "]" {
		s, rest, err := scalar(text, ",]")
		if err != nil {
			return nil, err
		}
		list = append(list, s)
		text = strings.TrimSpace(strings.TrimPrefix(rest, ","))
		if rest == "" || rest[0] == ']' && rest != "]" {
			return nil, fmt.Errorf("is a list that does not end with its line")
		}
	}
	return list, nil
}

// scalar reads one, which ends before any of the bytes in ends.
func scalar(text, ends string) (value, rest string, err error) {
	switch text[0] {
	case '\'':
		end := strings.IndexByte(text[1:], '\'')
		if end < 0 || strings.HasPrefix(text[end+2:], "'") {
			return "", "", fmt.Errorf("has a quote within its quotes, or no end")
		}
		return text[1 : end+1], strings.TrimSpace(text[end+2:]), nil
	case '"':
		end := strings.IndexByte(text[1:], '"')
		if end < 0 || strings.Contains(text[1:end+1], `\`) {
			return "", "", fmt.Errorf("has a backslash within its quotes, or no end")
		}
		return text[1 : end+1], strings.TrimSpace(text[end+2:]), nil
	case '{', '|', '>', '!', '%', '@', '`', '&', '*', '?':
		return "", "", fmt.Errorf("begins with %q; allowed: plain and quoted text of one line", text[0])
	}
	if ends != "" {
		if end := strings.IndexAny(text, ends); end >= 0 {
			text, rest = text[:end], text[end:]
		}
	}
	if strings.Contains(text, ": ") {
		return "", "", fmt.Errorf("is text with a colon and a space: quote it")
	}
	return strings.TrimSpace(text), rest, nil
}

// withoutComment cuts what follows a # outside of quotes, at the line's start or
// after a space.
func withoutComment(line string) string {
	var quote byte
	for i := range len(line) {
		switch c := line[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case (c == '\'' || c == '"') && i > 0 && strings.IndexByte(" [", line[i-1]) >= 0:
			quote = c
		case c == '#' && (i == 0 || line[i-1] == ' '):
			return line[:i]
		}
	}
	return line
}

func TestReadYAML(t *testing.T) {
	got, err := readYAML(`
# a comment
a: &a
  x: 1 # one
  y: "# not a comment"
b:
  <<: *a
  y: it's
  z: [CMD, 'a, b: "c"', "d"]
c:
`)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"a": map[string]any{"x": "1", "y": "# not a comment"},
		"b": map[string]any{"x": "1", "y": "it's", "z": []any{"CMD", `a, b: "c"`, "d"}},
		"c": nil,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, text := range []string{"a:\n  - b", "a: |\n  b", "a: {b: c}", "a: 1\na: 2", "a: *b", "a: [b", "a: b: c", "a:\n    b: 1\n  c: 2", `a: "\n"`} {
		if got, err := readYAML(text); err == nil {
			t.Errorf("%q was read as %v, want an error", text, got)
		}
	}
}
