package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/auth"
	"github.com/rackwright/rackwright/images"
	"github.com/rackwright/rackwright/inventory"
)

// Image is a boot image's document, for clients that import no room.
type Image = images.Image

// ImageLine is the newest image of one name; Digest is of its document and
// covers every file.
type ImageLine struct {
	images.Image
	Digest inventory.Digest `json:"digest"`
}

type imageIn struct {
	DryRun bool `query:"dryRun" doc:"check the document and its files only"`
	Body   images.Image
}

func (s *Service) addImages(api huma.API) {
	huma.Register(api, op(http.MethodPost, "/images", "publish-image", "Make an image the newest of its name; its files are blobs that are here"), s.publishImage)
	huma.Register(api, op(http.MethodGet, "/images", "list-images", "The newest boot image of every name"),
		func(ctx context.Context, _ *struct{}) (*body[[]ImageLine], error) {
			if _, err := caller(ctx); err != nil {
				return nil, err
			}
			refs, err := s.Images.List(ctx)
			out := []ImageLine{}
			for _, r := range refs {
				img, err := s.Images.ByDigest(ctx, r.Digest)
				if err != nil {
					return nil, problem(err)
				}
				out = append(out, ImageLine{Image: img, Digest: r.Digest})
			}
			return answer(out), problem(err)
		})
}

// imageFiles are the names under which pxe looks for files (images.Image).
var imageFiles = []string{"kernel", "initrd", "uki", "program"}

func (s *Service) publishImage(ctx context.Context, in *imageIn) (*body[ImageLine], error) {
	if _, err := s.may(ctx, auth.Import, inventory.Rack{}); err != nil {
		return nil, err
	}
	img := in.Body
	if img.Arch != images.ArchAMD64 && img.Arch != images.ArchARM64 {
		return nil, invalid(fmt.Sprintf("arch %q is unknown", img.Arch), "Write amd64 or arm64.")
	}
	if img.Version == "" {
		return nil, invalid("version is empty", "Give each build its own version, such as 2026.11.1.")
	}
	for _, name := range sortedKeys(img.Files) {
		if !slices.Contains(imageFiles, name) {
			return nil, invalid(fmt.Sprintf("files.%s: no boot program asks for it", name), fmt.Sprintf("Name files %v.", imageFiles))
		}
		f, err := s.Images.Store.Open(ctx, img.Files[name])
		if errors.Is(err, inventory.ErrNotFound) {
			return nil, invalid(fmt.Sprintf("files.%s: blob %s is not here", name, img.Files[name]), "Upload it first: rackwright import image FILE does it, or POST /v1/blobs.")
		}
		if err != nil {
			return nil, problem(fmt.Errorf("files.%s: %w", name, err))
		}
		if err := f.Close(); err != nil {
			return nil, problem(err)
		}
	}
	if in.DryRun {
		return answer(ImageLine{Image: img}), nil
	}
	d, err := s.Images.Publish(ctx, img)
	if err != nil {
		return nil, problem(err)
	}
	return answer(ImageLine{Image: img, Digest: d}), nil
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
