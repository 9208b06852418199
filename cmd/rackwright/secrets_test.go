package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/auth"
	"github.com/rackwright/rackwright/inventory"
)

// TestNoSecretIsWritten runs a whole rack and then searches everything that the
// run wrote, the package and the terminal for every secret that it used: factory
// passwords, the passwords that replaced them, people's tokens, boot tokens. Only
// the keys folder may hold keys; it is not in a backup.
func TestNoSecretIsWritten(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	dir := t.TempDir()
	out, err := os.Create(filepath.Join(dir, "terminal"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	logFile, err := os.Create(filepath.Join(dir, "demo.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer logFile.Close()
	a := &app{streams: &streams{out: out, err: out}}
	o := demoOptions{data: dir, address: "127.0.0.1:0", quick: true}
	s, err := a.stage(ctx, o, nil, slog.New(slog.NewTextHandler(logFile, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	bootTokens := watchBoots(ctx, s)
	err = a.journey(ctx, s, o)
	secrets := usedSecrets(t, s, dir)
	if err := s.close(); err != nil {
		t.Error(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range bootTokens() {
		secrets[name] = value
	}
	if len(secrets) < 11*2+6 {
		t.Fatalf("only %d secrets are known to the test", len(secrets))
	}
	searched := 0
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if d != nil && d.IsDir() && d.Name() == "keys" {
				return fs.SkipDir
			}
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		searched += len(raw)
		search(t, strings.TrimPrefix(path, dir), raw, secrets)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d secrets, %d bytes searched", len(secrets), searched)
}

// usedSecrets are the secrets by what they are.
func usedSecrets(t *testing.T, s *stage, dir string) map[string]string {
	t.Helper()
	secrets := map[string]string{"viewer's token": s.crew.viewer}
	for i, token := range s.crew.tokens {
		secrets["token "+string(rune('a'+i))] = token
	}
	keys, err := auth.OpenKeys(filepath.Join(dir, "keys"), true)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range s.rack.Fleet().Directory() {
		secrets["factory password of "+e.Name] = e.Password
		sealed, _, err := s.server.Store().Sealed(t.Context(), "bmc/"+inventory.Digest(e.Pin).Hex())
		if err != nil {
			t.Fatalf("%s was not secured: %v", e.Name, err)
		}
		plain, err := keys.Unseal(sealed)
		if err != nil {
			t.Fatal(err)
		}
		var c struct{ Password string }
		if err := json.Unmarshal([]byte(plain.Reveal()), &c); err != nil || c.Password == "" || c.Password == e.Password {
			t.Fatalf("%s: sealed is not a new password", e.Name)
		}
		secrets["password of "+e.Name] = c.Password
	}
	return secrets
}

// watchBoots collects the boot tokens while their boots are under way.
func watchBoots(ctx context.Context, s *stage) func() map[string]string {
	found, done := map[string]string{}, make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			for n, err := range s.server.Store().Select(ctx, inventory.Selector{All: true}) {
				if err != nil {
					break
				}
				if token := s.server.BootToken(n); token != "" {
					found["boot token of "+n.Address] = token
				}
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
	return func() map[string]string { cancel(); <-done; return found }
}

// search looks for each secret as it is, in base64, in a URL and inside zip files.
func search(t *testing.T, where string, raw []byte, secrets map[string]string) {
	t.Helper()
	for what, secret := range secrets {
		for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret)), url.QueryEscape(secret)} {
			if i := bytes.Index(raw, []byte(form)); i >= 0 {
				t.Errorf("%s holds the %s: …%q…", where, what, raw[max(0, i-60):i])
				break
			}
		}
	}
	if !slices.Contains([]string{".zip"}, filepath.Ext(where)) {
		return
	}
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Errorf("%s in %s: %v", f.Name, where, err)
			continue
		}
		inner, err := io.ReadAll(r)
		if err != nil {
			t.Errorf("%s in %s: %v", f.Name, where, err)
		}
		_ = r.Close()
		search(t, where+"/"+f.Name, inner, secrets)
	}
}
