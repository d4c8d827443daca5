package console

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"waybill/schemas"
)

//go:embed pages/*.html pages/style.css
var pageFiles embed.FS

// parsePages reads the templates; each page fills the layout.
func parsePages() (*template.Template, error) {
	pages, err := template.New("").Funcs(template.FuncMap{
		"words":   func(s string) string { return strings.ReplaceAll(s, "_", " ") },
		"stamp":   func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
		"date":    func(t time.Time) string { return t.UTC().Format("Monday 2 January 2006") },
		"field":   func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04") },
		"percent": percent,
	}).ParseFS(pageFiles, "pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("parse pages: %w", err)
	}
	return pages, nil
}

// percent of part in whole, for people; "–" of nothing.
func percent(part, whole uint64) string {
	if whole == 0 {
		return "–"
	}
	return fmt.Sprintf("%.4g %%", float64(part)/float64(whole)*100)
}

// pageData is what every page gets.
type pageData struct {
	Title  string
	Query  url.Values
	Search string
	Reload int
	Body   any
}

// Every is what the funnel's form offers.
func (pageData) Every() []string { return []string{"1m", "5m", "15m", "1h", "6h", "24h"} }

// DeadClasses is what the form of the dead letters offers.
func (pageData) DeadClasses() []string { return deadClasses }

// Following is the same list from there on.
func (p pageData) Following(next string) string {
	q := maps.Clone(p.Query)
	q.Set("after", next)
	return "?" + q.Encode()
}

// showing serves a page.
func (c *Console) showing(q question) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a := c.ask(q, r)
		data := pageData{Title: a.title, Query: a.query, Search: r.PathValue("id"), Reload: a.reload, Body: a.body}
		var page bytes.Buffer
		if err := c.pages.ExecuteTemplate(&page, a.page, data); err != nil {
			c.cfg.Logger.Error("page cannot be rendered", "page", a.page, "err", err)
			http.Error(w, "The page cannot be rendered.", http.StatusInternalServerError)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		w.WriteHeader(a.status)
		_, _ = w.Write(page.Bytes()) // an error means that the reader is gone
	}
}

// search goes where the one box of the pages leads: an id to its trace, all
// else is a user.
func search(w http.ResponseWriter, r *http.Request) {
	q := strings.TrimSpace(r.URL.Query().Get("q"))
	to := "/pushes?" + url.Values{"user": {q}}.Encode()
	if id, err := schemas.ParseID(q); err == nil {
		to = "/traces/" + id.String()
	} else if q == "" {
		to = "/"
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

func style(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "max-age=300")
	http.ServeFileFS(w, r, pageFiles, "pages/style.css")
}
