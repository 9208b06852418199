package pxe

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/rackwright/rackwright/images"
	"github.com/rackwright/rackwright/inventory"
)

// text answers with a whole small body and its length.
func (x *fetch) text(kind string, data []byte) {
	h := x.w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(data)))
	h.Set("Cache-Control", "no-store")
	x.w.WriteHeader(http.StatusOK)
	if x.req.Method == http.MethodHead {
		return
	}
	if _, err := x.w.Write(data); err != nil {
		x.s.log.Debug("boot answer cut off", "mac", x.path.mac, "err", err)
	}
}

// program hands out the boot program of UEFI HTTP boot. The content type
// matters: firmware refuses octet-stream under some names.
func (x *fetch) program() error {
	name := x.s.cfg.Policy.Programs[string(x.path.arch)+"-http"]
	p, ok := x.s.deps.Programs.files[name]
	if !ok {
		x.missing(BranchNoProgram, fmt.Errorf("no boot program for %s over HTTP: %w", x.path.arch, inventory.ErrNotFound))
		http.NotFound(x.w, x.req)
		return nil
	}
	x.w.Header().Set("Content-Type", "application/efi")
	x.w.Header().Set("ETag", strconv.Quote(string(p.digest)))
	http.ServeContent(x.w, x.req, "", time.Time{}, bytes.NewReader(p.data))
	x.served(name)
	return nil
}

// script writes the boot script of the image that the node's operation wants.
func (x *fetch) script(ctx context.Context) error {
	n := *x.f.Node
	img, digest, err := x.s.deps.Images.Image(ctx, n.Operation.Boot.Image)
	if err != nil && !isMissing(err) {
		return fmt.Errorf("image %s: %w", n.Operation.Boot.Image, err)
	}
	var text []byte
	if err == nil {
		text, err = Script(Boot{Node: n, MAC: x.path.mac, Image: img, Digest: digest, Token: x.path.token, Args: x.args(n)}, x.s.endpoints())
	}
	if err != nil {
		x.missing(BranchNoImage, err)
		x.text("text/plain", FailScript(inventory.Sentence("boot.no_image", []string{n.Address, n.Operation.Boot.Image})))
		return nil
	}
	x.text("text/plain", text)
	if x.req.Method == http.MethodHead {
		return nil
	}
	x.s.counts.add(BranchServed)
	x.note(StageScript, BranchServed, string(digest), int64(len(text)))
	return nil
}

func (x *fetch) args(n inventory.Node) []string {
	if a, ok := x.s.cfg.Args[n.Profile]; ok {
		return a
	}
	return x.s.cfg.Args[""]
}

// file hands out one file of the image, by the digest of the image's document:
// a newer image under the same name does not change a boot under way.
func (x *fetch) file(ctx context.Context) error {
	img, err := x.s.deps.Images.ByDigest(ctx, x.path.image)
	if err != nil && !isMissing(err) {
		return fmt.Errorf("image %s: %w", x.path.image, err)
	}
	blob := images.Digest("")
	if err == nil && img.Name == x.f.Node.Operation.Boot.Image {
		blob = img.Files[x.path.file]
	}
	if blob == "" {
		x.missing(BranchNoImage, fmt.Errorf("%s of image %s for %s: %w", x.path.file, x.path.image, x.f.Node.Address, inventory.ErrNotFound))
		http.NotFound(x.w, x.req)
		return nil
	}
	x.s.deps.Blobs.Serve(x.w, x.req, blob, "application/octet-stream")
	x.served(x.path.file + " " + string(blob))
	return nil
}

// served notes what left. A file that stopped half way is told apart by its
// bytes, for who reads why a boot stalls.
func (x *fetch) served(detail string) {
	b, n := BranchServed, x.w.n
	whole, err := strconv.ParseInt(x.w.Header().Get("Content-Length"), 10, 64)
	if err != nil {
		whole = 0 // nothing was promised
	}
	switch {
	case x.w.status >= http.StatusBadRequest:
		b = BranchAbort
	case x.req.Method == http.MethodHead:
		n = 0
	case n < whole:
		b = BranchAbort
	}
	x.s.counts.add(b)
	x.note(x.stage(), b, detail, n)
}
