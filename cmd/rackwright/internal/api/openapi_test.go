package api_test

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
)

var update = flag.Bool("update", false, "write openapi.json anew")

// TestOpenAPI: the contract changes only on purpose. Fields are added to v1,
// never re-used; read the diff of openapi.json before you accept it.
func TestOpenAPI(t *testing.T) {
	got, err := (&api.Service{}).OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile("openapi.json", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatal("the API differs from openapi.json; if that is meant: go test ./cmd/rackwright/internal/api -run OpenAPI -update, and read the diff")
	}
}
