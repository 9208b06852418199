package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/client"
	"github.com/rackwright/rackwright/inventory"
)

func (a *app) getImages(c *cobra.Command, _ []string) error {
	cl, err := a.connect()
	if err != nil {
		return err
	}
	list, err := cl.Images(c.Context())
	if err != nil {
		return err
	}
	t := table{columns: []string{"image", "version", "arch", "files", "simulated", "digest"}, wide: 4, value: list, empty: "no images: rackwright build image burnin, then rackwright import image FOLDER"}
	for _, i := range list {
		t.rows = append(t.rows, []string{i.Name, i.Version, string(i.Arch), short(slices.Sorted(maps.Keys(i.Files)), 4), fmt.Sprint(i.Simulated), string(i.Digest)})
	}
	return a.print(t)
}

func (a *app) importImageCmd() *cobra.Command {
	return &cobra.Command{Use: "image FOLDER", Short: "Upload a boot image as built and make it the newest of its name", Args: exactly(1, "a folder with image.json"),
		Long: `Upload what rackwright build image wrote: image.json names the files by their
SHA-256, and each file stands beside it under its role (kernel, initrd, uki,
program). A file that has another digest is refused; what the server has
already is not sent again.`,
		Example: "  rackwright build image burnin --fetch --out ./image && rackwright import image ./image\n  rackwright import image ./image -o name\n  rackwright import image ./image -o json",
		RunE: func(c *cobra.Command, args []string) error {
			img, err := readImage(args[0])
			if err != nil {
				return err
			}
			cl, err := a.connect()
			if err != nil {
				return err
			}
			for _, role := range slices.Sorted(maps.Keys(img.Files)) {
				if err := a.sendImageFile(c, cl, filepath.Join(args[0], role), img.Files[role]); err != nil {
					return fmt.Errorf("files.%s: %w", role, err)
				}
			}
			done, err := cl.PublishImage(c.Context(), img)
			if err != nil {
				return err
			}
			return a.print(table{columns: []string{"image", "version", "arch", "digest"}, value: done,
				rows: [][]string{{done.Name, done.Version, string(done.Arch), string(done.Digest)}}})
		}}
}

func readImage(folder string) (api.Image, error) {
	file := filepath.Join(folder, "image.json")
	raw, err := os.ReadFile(file)
	if err != nil {
		return api.Image{}, fmt.Errorf("%w: the image's document: %w", errUsage, err)
	}
	var img api.Image
	if err := json.Unmarshal(raw, &img); err != nil {
		return img, fmt.Errorf("%w: %s: %w", errUsage, file, err)
	}
	for role, d := range img.Files {
		if role != filepath.Base(role) {
			return img, fmt.Errorf("%w: %s: files.%q: a role is a plain name such as kernel", errUsage, file, role)
		}
		if _, err := inventory.ParseDigest(string(d)); err != nil {
			return img, fmt.Errorf("%w: %s: files.%s: %w", errUsage, file, role, err)
		}
	}
	return img, nil
}

// sendImageFile sends one file that is not there yet; on disk it must be what
// the document says.
func (a *app) sendImageFile(c *cobra.Command, cl *client.Client, file string, want inventory.Digest) error {
	here, err := cl.HasBlob(c.Context(), want)
	if err != nil || here {
		return err
	}
	got, err := a.sendFile(c, cl, file)
	if err == nil && got.Digest != want {
		err = fmt.Errorf("%w: %s is %s, image.json says %s: build the image again", errUsage, file, got.Digest, want)
	}
	return err
}
