package schemas

import (
	"strings"
	"testing"
)

func TestRedriveName(t *testing.T) {
	id := ID{15: 1}
	for name, want := range map[string]string{
		"":                              "redrive:" + id.String() + ":1",
		"o-1":                           "redrive:" + id.String() + ":1",
		"redrive:mine":                  "redrive:" + id.String() + ":1",
		"redrive:" + id.String() + ":x": "redrive:" + id.String() + ":1",
		"redrive:" + ID{}.String():      "redrive:" + id.String() + ":1",
		"redrive:" + strings.Repeat("0a", 16) + ":9": "redrive:" + strings.Repeat("0a", 16) + ":10",
	} {
		if got := RedriveName(id, name); got != want {
			t.Errorf("after %q comes %q, want %q", name, got, want)
		}
	}
}
