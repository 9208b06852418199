package redfish

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// samplesDir holds the captures; they are read in place and never copied.
const samplesDir = "../../shared/samples/redfish"

// treeGetter serves one capture as a strict BMC would: exactly the advertised
// paths, error bodies with their status, 404 for everything else.
type treeGetter struct {
	bodies map[string]json.RawMessage
	mu     sync.Mutex
	asked  map[string]int
}

func (g *treeGetter) get(ctx context.Context, uri string) (json.RawMessage, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	g.mu.Lock()
	g.asked[uri]++
	g.mu.Unlock()
	body, ok := g.bodies[resourceKey(uri)]
	if !ok {
		return nil, &Error{Op: "get " + uri, Status: http.StatusNotFound, Err: errors.New("Not Found")}
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) == nil && len(fields) == 1 && fields["error"] != nil {
		return nil, &Error{Op: "get " + uri, Status: statusOfError(string(body)), Err: errors.New("error body")}
	}
	return body, nil
}

// statusOfError follows SOURCES.md.
func statusOfError(body string) int {
	switch {
	case strings.Contains(body, "InternalError"):
		return http.StatusInternalServerError
	case strings.Contains(body, "LIC501"), strings.Contains(body, "SWC0242"):
		return http.StatusForbidden
	case strings.Contains(body, "UnsupportedOperation"):
		return http.StatusBadRequest
	}
	return http.StatusNotFound
}

func sampleNames(t testing.TB) []string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(samplesDir, "*", "resources.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(samplesDir); os.IsNotExist(err) {
		t.Skipf("no captures: the folder %s does not exist", samplesDir)
	}
	if len(dirs) == 0 {
		t.Fatalf("%s exists and holds no tree", samplesDir)
	}
	var out []string
	for _, d := range dirs {
		out = append(out, filepath.Base(filepath.Dir(d)))
	}
	return out
}

func loadSample(t testing.TB, name string) *treeGetter {
	t.Helper()
	f, err := os.Open(filepath.Join(samplesDir, name, "resources.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g := &treeGetter{bodies: map[string]json.RawMessage{}, asked: map[string]int{}}
	in := bufio.NewScanner(f)
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		var line struct {
			URI  string
			Body json.RawMessage
		}
		if err := json.Unmarshal(in.Bytes(), &line); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		g.bodies[resourceKey(line.URI)] = line.Body
	}
	if err := in.Err(); err != nil {
		t.Fatal(err)
	}
	return g
}
