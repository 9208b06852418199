package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/inventory"
)

// Progress is told how many bytes of how many were sent so far. It is called
// from one goroutine at a time, for each piece that leaves.
type Progress func(sent, total int64)

// PutBlob streams a file to the server. It is read twice: once for its digest,
// which is sent first, and once for the body; a server that has the blob gets
// no body at all. progress may be nil.
func (c *Client) PutBlob(ctx context.Context, name string, progress Progress) (api.BlobAnswer, error) {
	f, err := os.Open(name)
	if err != nil {
		return api.BlobAnswer{}, fmt.Errorf("send a blob: %w", err)
	}
	defer f.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	if err != nil {
		return api.BlobAnswer{}, fmt.Errorf("read %s: %w", name, err)
	}
	want := inventory.Digest("sha256:" + hex.EncodeToString(sum.Sum(nil)))
	known, err := c.HasBlob(ctx, want)
	if err != nil {
		return api.BlobAnswer{}, err
	}
	if known {
		return api.BlobAnswer{Digest: want, Size: size}, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return api.BlobAnswer{}, fmt.Errorf("read %s: %w", name, err)
	}
	var out api.BlobAnswer
	err = c.do(ctx, call{method: http.MethodPost, path: "/blobs", contentType: octets, header: map[string]string{"X-Digest": string(want)},
		stream: &counted{r: f, total: size, told: progress}, size: size}, &out)
	if err != nil {
		return out, fmt.Errorf("send %s: %w", name, err)
	}
	return out, nil
}

// HasBlob asks whether the server holds a blob.
func (c *Client) HasBlob(ctx context.Context, d inventory.Digest) (bool, error) {
	resp, err := c.send(ctx, call{method: http.MethodHead, path: path("blobs", string(d))})
	var p *api.Problem
	if errors.As(err, &p) && p.Status == http.StatusNotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, resp.Body.Close()
}

// Blob fetches a blob.
func (c *Client) Blob(ctx context.Context, d inventory.Digest, to io.Writer) (int64, error) {
	return c.fetch(ctx, path("blobs", string(d)), to)
}

// PublishImage makes an image the newest of its name; its blobs are there already.
func (c *Client) PublishImage(ctx context.Context, img api.Image) (api.ImageLine, error) {
	return post[api.ImageLine](ctx, c, img, nil, "images")
}

// Images lists the newest image of every name.
func (c *Client) Images(ctx context.Context) ([]api.ImageLine, error) {
	return get[[]api.ImageLine](ctx, c, nil, "images")
}

// counted tells how much was read.
type counted struct {
	r           io.Reader
	sent, total int64
	told        Progress
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.sent += int64(n)
	if c.told != nil && n > 0 {
		c.told(c.sent, c.total)
	}
	return n, err
}
