package readmodels

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"waybill/internal/e2e/ledger"
)

// TestHistory asks until what is said is the log's, and says what is not.
func TestHistory(t *testing.T) {
	l := ledger.New()
	l.Rows.Hops["pushed"], l.Rows.Hops["sent"], l.Rows.Connections["connected"] = 3, 2, 1
	const right = "hops\tpushed\t3\t3\nhops\tsent\t2\t2\nconnections\tconnected\t1\t1\n"
	for name, c := range map[string]struct{ said, want string }{
		"all is well":        {right, ""},
		"a row twice":        {strings.Replace(right, "3\t3", "4\t3", 1), "pushed hops: 4 rows, 3 of them distinct, want 3"},
		"one for another":    {strings.Replace(right, "3\t3", "3\t2", 1), "pushed hops: 3 rows, 2 of them distinct, want 3"},
		"a row is missing":   {strings.Replace(right, "2\t2", "1\t1", 1), "sent hops: 1 rows"},
		"another kind":       {right + "hops\tacked\t1\t1\n", "acked hops: 1 rows, want none"},
		"a connection twice": {strings.Replace(right, "1\t1", "2\t1", 1), "connected connections: 2 rows"},
		"nothing":            {"", "connected connections: 0 rows"},
		"no table":           {"what?", "read the history"},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if user, password, _ := r.BasicAuth(); user != "reader" || password != "secret" || r.FormValue("database") != "history" {
				http.Error(w, "who is it?", http.StatusForbidden)
			}
			_, _ = w.Write([]byte(c.said))
		}))
		dsn := strings.Replace(s.URL, "http://", "http://reader:secret@", 1) + "/history"
		got, err := recall(t.Context(), dsn)
		if err == nil {
			err = HistoryOf(l).differs(got)
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		s.Close()
	}
}
