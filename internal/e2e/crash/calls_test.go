package crash

import "testing"

func TestReadAnswers(t *testing.T) {
	for body, want := range map[string]string{
		`[{"status":"accepted"},{"status":"busy"}]`: "accepted busy",
		`{"status":"busy","error":{"message":"x"}}`: "busy busy",
		`[{"status":"accepted"}]`:                   "",
		`not JSON`:                                  "",
	} {
		all, err := readAnswers([]byte(body), 2)
		got := ""
		if err == nil {
			got = all[0].Status + " " + all[1].Status
		}
		if got != want {
			t.Errorf("%s: got %q (%v), want %q", body, got, err, want)
		}
	}
}
