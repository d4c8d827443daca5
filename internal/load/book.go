package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Book keeps the newest entry of each case beside the page, so that a part can
// be measured again without the rest.
type Book struct {
	Entries []Entry `json:"entries"` // in the order of Cases

	path  string            // of the page
	first map[string]string // the first figures, by key
}

// firstName is the file of the first figures, beside the page. It is written by
// hand, once.
const firstName = "first.json"

// OpenBook reads what was found earlier for the page at path, which ends in
// .md; its results are in a file of the same name that ends in .json.
func OpenBook(path string) (*Book, error) {
	b := &Book{path: path}
	if !strings.HasSuffix(path, ".md") {
		return nil, fmt.Errorf("the page %s must end in .md", path)
	}
	if err := readJSON(b.resultsPath(), b); err != nil {
		return nil, err
	}
	return b, readJSON(filepath.Join(filepath.Dir(path), firstName), &b.first)
}

func (b *Book) resultsPath() string { return strings.TrimSuffix(b.path, ".md") + ".json" }

// readJSON leaves v alone where there is no file yet.
func readJSON(path string, v any) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// Add puts the entry in the place of the case's earlier one and writes file and
// page.
func (b *Book) Add(e Entry) error {
	b.Entries = append(slices.DeleteFunc(b.Entries, func(old Entry) bool { return old.Key == e.Key }), e)
	var order []string
	for _, c := range Cases() {
		order = append(order, c.Key)
	}
	slices.SortFunc(b.Entries, func(x, y Entry) int { return slices.Index(order, x.Key) - slices.Index(order, y.Key) })
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return fmt.Errorf("encode results: %w", err)
	}
	if err := os.WriteFile(b.resultsPath(), append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	if err := os.WriteFile(b.path, []byte(b.Page()), 0o644); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

// Missed are the names of the figures that miss their goals.
func (b *Book) Missed() (names []string) {
	for _, e := range b.Entries {
		for _, f := range e.Figures {
			if e.Verdict(f) == Missed {
				names = append(names, f.Key)
			}
		}
	}
	return names
}
