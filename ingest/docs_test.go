package ingest

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The pages that callers read name every field and every bound.
func TestDocs(t *testing.T) {
	for name, marks := range map[string]string{"../docs/openapi.yaml": "        %s:", "../docs/api.md": "`%s`"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range fields {
			if !strings.Contains(string(text), fmt.Sprintf(marks, field)) {
				t.Errorf("%s does not name the field %s", name, field)
			}
		}
		for _, s := range []status{accepted, partial, busy, unknown, checked, refused} {
			if !strings.Contains(string(text), string(s)) {
				t.Errorf("%s does not name the status %s", name, s)
			}
		}
	}
	spec, err := os.ReadFile("../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, bound := range []int{MaxTTL, DefaultTTL, MaxUsers, MaxBody, MaxLabel, MaxPushID, MaxUser, MaxCollapse} {
		if !strings.Contains(string(spec), fmt.Sprint(bound)) {
			t.Errorf("openapi.yaml does not name the bound %d", bound)
		}
	}
	if want := strings.Join(fields[:], ", "); allowedFields != want {
		t.Errorf("allowed fields %q, want %q", allowedFields, want)
	}
}
