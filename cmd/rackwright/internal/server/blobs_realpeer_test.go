//go:build realpeer

package server_test

import (
	"bytes"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/server"
	"github.com/rackwright/rackwright/inventory"
)

// TestRealPeerCurlBlob: the upload is plain HTTP, so that curl in a vendor's
// script does it too: in chunks of unknown length, refused under another
// digest, looked at with HEAD, and continued from the middle by a range.
func TestRealPeerCurlBlob(t *testing.T) {
	c := settings(t)
	s := serve(t, server.Options{Config: c})
	s.hire(t, "tess", inventory.Grant{Role: inventory.RoleTechnician})
	raw := make([]byte, 30<<20)
	if _, err := rand.Read(raw); err != nil {
		t.Fatal(err)
	}
	file, digest := filepath.Join(t.TempDir(), "payload"), string(inventory.DigestOf(raw))
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	curl := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "curl", append([]string{"-sSk", "-H", "Authorization: Bearer " + s.tokens["tess"]}, args...)...)
		var fault bytes.Buffer
		cmd.Stderr = &fault
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("curl %v: %v: %s", args[:2], err, fault.String())
		}
		return string(out)
	}
	base := "https://" + s.Address() + "/v1/blobs"
	for _, version := range []string{"--http1.1", "--http2"} {
		upload := []string{version, "-T", file, "-X", "POST", "-H", "Transfer-Encoding: chunked", "-w", " %{http_code}", base}
		if got := curl(append(upload, "-H", "X-Digest: "+string(inventory.DigestOf(nil)))...); !strings.HasSuffix(got, " 422") || len(kept(t, c.Data)) > 0 {
			t.Errorf("%s: another digest got %s and left %v", version, got, kept(t, c.Data))
		}
	}
	if got := curl("-T", file, "-X", "POST", "-H", "Transfer-Encoding: chunked", "-H", "X-Digest: "+digest, "-w", " %{http_code}", base); !strings.HasSuffix(got, " 201") || !strings.Contains(got, digest) {
		t.Fatalf("upload got %s", got)
	}
	if got := curl("-I", base+"/"+digest); !strings.Contains(strings.ToLower(got), "content-length: 31457280") {
		t.Errorf("HEAD says %s", got)
	}
	if got := curl("-r", "1000-1999", base+"/"+digest); got != string(raw[1000:2000]) {
		t.Errorf("a range of 1000 bytes came as %d", len(got))
	}
}
