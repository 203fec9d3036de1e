package central

import (
	"bytes"
	"compress/gzip"
	"embed"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/swaggest/swgui/v5/static"

	"gatehouse/api/openapi"
)

//go:embed docs
var docsFiles embed.FS

// The page loads nothing from elsewhere and runs no script that is not a file of ours; Swagger UI sets styles of elements.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// serveDocs serves the contracts, and a page that shows them.
func (s *Server) serveDocs(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/openapi/{file}", func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("file")
		text, err := fs.ReadFile(openapi.Files(), name)
		if err != nil {
			text = s.contracts.json[name]
		}
		if text == nil {
			s.refuse(w, r, gateAPI, notFound())
			return
		}
		serveFile(w, r, name, text)
	})
	mux.Handle("GET /{$}", http.RedirectHandler("/api/docs/", http.StatusFound)) // who opens the centre's address wants to know what it is
	mux.HandleFunc("GET /api/docs/{file...}", func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("file")
		if name == "" {
			name = "index.html"
		}
		text, err := docsFile(name)
		if err != nil {
			s.refuse(w, r, gateAPI, notFound())
			return
		}
		w.Header().Set("Content-Security-Policy", docsPolicy)
		serveFile(w, r, name, text)
	})
}

// docsFile is a file of the page: ours, or one of Swagger UI.
func docsFile(name string) ([]byte, error) {
	if text, err := docsFiles.ReadFile(path.Join("docs", name)); err == nil {
		return text, nil
	}
	if text, err := static.FS.ReadFile(name); err == nil && strings.HasSuffix(name, ".png") {
		return text, nil
	}
	packed, err := static.FS.Open(name + ".gz")
	if err != nil {
		return nil, err
	}
	defer packed.Close()
	text, err := gzip.NewReader(packed)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(text)
}

func serveFile(w http.ResponseWriter, r *http.Request, name string, text []byte) {
	kind := mime.TypeByExtension(path.Ext(name))
	if strings.HasSuffix(name, ".yaml") {
		kind = "application/yaml"
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "max-age=3600")
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(text))
}
