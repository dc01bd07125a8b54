package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed templates/*.html
var templates embed.FS

//go:embed assets/*
var assets embed.FS

// view is what a page is made from.
type view struct {
	Title string
	Tab   string   // of the navigation
	Who   *visitor // nil: nobody has signed in
	Data  any

	Site, Base string // filled in by render
}

// pageNames are the templates beside the layout that all of them fill.
var pageNames = []string{"message", "signin", "enroll", "keys", "approvals", "people", "person", "allkeys", "trail", "invite", "ask"}

func loadPages() (map[string]*template.Template, error) {
	functions := template.FuncMap{
		"machine": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		// In UTC, and named: the script puts the reader's own time in its place.
		"human": func(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04 UTC") },
		"join":  strings.Join,
	}
	pages := map[string]*template.Template{}
	for _, name := range pageNames {
		t, err := template.New(name).Funcs(functions).ParseFS(templates, "templates/layout.html", "templates/parts.html", "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("web: reading the template of page %s: %v", name, err)
		}
		pages[name] = t
	}
	return pages, nil
}

// render writes a page. It is made whole before the first byte of it goes out.
func (s *Site) render(w http.ResponseWriter, r *http.Request, status int, name string, v view) {
	v.Site, v.Base = s.cfg.Name, s.cfg.Prefix
	var page bytes.Buffer
	if err := s.pages[name].ExecuteTemplate(&page, "layout", v); err != nil {
		s.cfg.Logger.ErrorContext(r.Context(), "a page could not be made", "page", name, "error", err)
		http.Error(w, "This page could not be made. Try again, and tell an administrator if it stays so.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = page.WriteTo(w)
}

// message shows a page that only says something.
func (s *Site) message(w http.ResponseWriter, r *http.Request, status int, title, text string) {
	s.render(w, r, status, "message", view{Title: title, Data: text})
}

// asset is a file that pages need.
type asset struct {
	kind, etag string
	content    []byte
}

var assetKinds = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

func loadAssets() (map[string]asset, error) {
	files, err := assets.ReadDir("assets")
	if err != nil {
		return nil, fmt.Errorf("web: reading assets: %v", err)
	}
	all := map[string]asset{}
	for _, f := range files {
		b, err := assets.ReadFile("assets/" + f.Name())
		if err != nil {
			return nil, fmt.Errorf("web: reading asset %s: %v", f.Name(), err)
		}
		sum := sha256.Sum256(b)
		all[f.Name()] = asset{assetKinds[path.Ext(f.Name())], `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`, b}
	}
	return all, nil
}

func (s *Site) asset(w http.ResponseWriter, r *http.Request) {
	a, ok := s.assets[r.PathValue("name")]
	if !ok {
		s.message(w, r, http.StatusNotFound, "Nothing here", "There is no such file.")
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("Cache-Control", "no-cache") // ask each time whether it is still the same
	h.Set("ETag", a.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.content))
}
