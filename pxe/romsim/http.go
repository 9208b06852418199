package romsim

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// maxFile bounds a file in memory; simulated images are small.
const maxFile = 256 << 20

// fetched is one answer.
type fetched struct {
	url    string
	data   []byte
	length int64
	kind   string
	etag   string
}

// file describes what was fetched, without the token in its path.
func (f fetched) file(url string) File {
	return File{Name: plainURL(url), Size: int64(len(f.data)), Digest: inventory.DigestOf(f.data)}
}

// check compares the bytes with the digest that was announced elsewhere, if
// any, and with the ETag when that is a digest.
func (f fetched) check(want string) error {
	got := string(inventory.DigestOf(f.data))
	if tag, err := strconv.Unquote(f.etag); err == nil && strings.HasPrefix(tag, "sha256:") && tag != got {
		return fmt.Errorf("%s has digest %s, its ETag says %s: %w", plainURL(f.url), got, tag, ErrDamaged)
	}
	if want != "" && want != got {
		return fmt.Errorf("%s has digest %s, the script says %s: %w", plainURL(f.url), got, want, ErrDamaged)
	}
	return nil
}

// get sends one request from the machine's own address.
func (b *boot) get(ctx context.Context, method, target string) (fetched, error) {
	b.out.Seen.Requests++
	f := fetched{url: target}
	req, err := http.NewRequestWithContext(ctx, method, target, nil)
	if err != nil {
		return f, fmt.Errorf("%s %s: %w", method, plainURL(target), err)
	}
	agent := "iPXE/1.0.0 (" + UserClass + ")"
	if b.out.Script == "" && b.m.Mode == HTTP && b.out.Program.Size == 0 {
		agent = "UefiHttpBoot/1.0 (" + UserClass + ")"
	}
	req.Header.Set("User-Agent", agent)
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	if b.out.Addr.IsLoopback() { // every address of 127.0.0.0/8 is this machine's
		dialer.LocalAddr = &net.TCPAddr{IP: b.out.Addr.AsSlice()}
	}
	tr := &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true, Proxy: nil}
	defer tr.CloseIdleConnections()
	res, err := tr.RoundTrip(req) // firmware follows no redirect
	if err != nil {
		return f, fmt.Errorf("%s %s: %w", method, plainURL(target), err)
	}
	defer res.Body.Close()
	var from io.Reader = io.LimitReader(res.Body, maxFile)
	if b.m.Faults.BytesPerSec > 0 {
		from = &slow{r: from, ctx: ctx, rate: b.m.Faults.BytesPerSec}
	}
	var buf bytes.Buffer
	if _, err := io.Copy(&buf, from); err != nil {
		return f, fmt.Errorf("%s %s: %w", method, plainURL(target), err)
	}
	f.data, f.length, f.kind, f.etag = buf.Bytes(), res.ContentLength, res.Header.Get("Content-Type"), res.Header.Get("ETag")
	if res.StatusCode != http.StatusOK {
		return f, fmt.Errorf("%w: %s %s: %s: %s", ErrRefused, method, plainURL(target), res.Status, strings.TrimSpace(string(f.data)))
	}
	return f, nil
}

// slow reads as a machine with a bad link does.
type slow struct {
	r    io.Reader
	ctx  context.Context
	rate int
}

// Read implements io.Reader.
func (s *slow) Read(p []byte) (int, error) {
	n, err := s.r.Read(p[:min(len(p), max(s.rate/10, 1))])
	if werr := sleep(s.ctx, time.Duration(n)*time.Second/time.Duration(s.rate)); werr != nil {
		return n, werr
	}
	return n, err
}

// plainURL hides the boot token, the fourth part of /b/{mac}/{token}/….
func plainURL(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "(no URL)"
	}
	parts := strings.Split(u.Path, "/")
	if len(parts) > 4 && parts[1] == "b" {
		parts[3] = "…"
	}
	return strings.Join(parts, "/")
}
