package admin

import (
	"embed"
	"net/http"
)

// page is the status page. It holds no data: its script asks the API.
//
//go:embed page
var page embed.FS

func pageFiles() (names []string) {
	entries, err := page.ReadDir("page")
	if err != nil {
		panic(err) // the embedded directory is there, or nothing compiles
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func serveFile(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, page, "page/"+name)
	}
}
