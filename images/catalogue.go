package images

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"sort"

	"github.com/rackwright/rackwright/inventory"
)

// Arch is a CPU architecture in Debian's words: amd64, arm64.
type Arch string

// Architectures with boot programs.
const (
	ArchAMD64 Arch = "amd64"
	ArchARM64 Arch = "arm64"
)

// Image is a bootable set of blobs. It is itself a document, so its digest
// covers everything that a node runs. Files are keyed kernel, initrd, uki or
// program; Args are kernel arguments that do not depend on the node.
type Image struct {
	Name      string            `json:"name"`
	Version   string            `json:"version"`
	Arch      Arch              `json:"arch"`
	Files     map[string]Digest `json:"files"`
	Args      []string          `json:"args,omitempty"`
	Lock      Digest            `json:"lock,omitempty"`  // package lock it was built from
	Tools     map[string]string `json:"tools,omitempty"` // packed tool → version
	Simulated bool              `json:"simulated,omitempty"`
}

// Documents is the part of the record that the catalogue keeps images in.
type Documents interface {
	Put(context.Context, inventory.DocKind, []byte) (Digest, error)
	Document(context.Context, Digest) ([]byte, error)
	Ref(context.Context, inventory.DocKind, string) (inventory.Ref, error)
	SetRef(context.Context, inventory.Ref) (inventory.Ref, error)
	Refs(context.Context, inventory.DocKind) ([]inventory.Ref, error)
}

// Catalogue maps a name to an image document and its blobs.
type Catalogue struct {
	Store     *Store
	Documents Documents
}

var imageName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// Image returns the newest image of a name and the digest of its document.
// inventory.ErrNotFound when nothing was published under it.
func (c *Catalogue) Image(ctx context.Context, name string) (Image, Digest, error) {
	ref, err := c.Documents.Ref(ctx, inventory.DocImage, name)
	if err != nil {
		return Image{}, "", fmt.Errorf("image %q: %w", name, err)
	}
	img, err := c.ByDigest(ctx, ref.Digest)
	return img, ref.Digest, err
}

// ByDigest returns one version of an image, as a certificate cites it.
func (c *Catalogue) ByDigest(ctx context.Context, d Digest) (Image, error) {
	raw, err := c.Documents.Document(ctx, d)
	if err != nil {
		return Image{}, fmt.Errorf("image document %s: %w", d, err)
	}
	var img Image
	if err := json.Unmarshal(raw, &img); err != nil {
		return Image{}, fmt.Errorf("image document %s: %w", d, err)
	}
	return img, nil
}

// Publish makes an image the newest of its name and returns its document's
// digest. Every blob must be readable first: a name never points at nothing.
func (c *Catalogue) Publish(ctx context.Context, img Image) (Digest, error) {
	if !imageName.MatchString(img.Name) {
		return "", fmt.Errorf("publish image: name %q: use a-z, 0-9, dot, dash, underscore, at most 63: %w", img.Name, inventory.ErrInvalid)
	}
	if len(img.Files) == 0 {
		return "", fmt.Errorf("publish image %s: no files: %w", img.Name, inventory.ErrInvalid)
	}
	kinds := make([]string, 0, len(img.Files))
	for kind := range img.Files {
		kinds = append(kinds, kind)
	}
	sort.Strings(kinds)
	for _, kind := range kinds {
		f, err := c.Store.Open(ctx, img.Files[kind])
		if err != nil {
			return "", fmt.Errorf("publish image %s: %s: %w", img.Name, kind, err)
		}
		f.Close()
	}
	raw, err := json.Marshal(img)
	if err != nil {
		return "", fmt.Errorf("publish image %s: %w", img.Name, err)
	}
	d, err := c.Documents.Put(ctx, inventory.DocImage, raw)
	if err != nil {
		return "", fmt.Errorf("publish image %s: %w", img.Name, err)
	}
	return d, c.point(ctx, img.Name, d)
}

func (c *Catalogue) point(ctx context.Context, name string, d Digest) error {
	ref, err := c.Documents.Ref(ctx, inventory.DocImage, name)
	if err != nil && !isNotFound(err) {
		return fmt.Errorf("publish image %s: %w", name, err)
	}
	if ref.Digest == d {
		return nil
	}
	_, err = c.Documents.SetRef(ctx, inventory.Ref{Kind: inventory.DocImage, Name: name, Digest: d, Version: ref.Version})
	if err != nil {
		return fmt.Errorf("publish image %s: %w", name, err)
	}
	return nil
}

// List returns the published names, sorted.
func (c *Catalogue) List(ctx context.Context) ([]inventory.Ref, error) {
	return c.Documents.Refs(ctx, inventory.DocImage)
}
