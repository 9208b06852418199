package imagebuild

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// Fetcher downloads packages with apt-get from the archives that this machine
// is set up for. Apt checks their signatures; nothing is installed.
type Fetcher struct {
	Dir string // where the .deb files go; it keeps them for the next build
	Log *slog.Logger
}

// locked downloads exactly the versions of a lock.
func (f Fetcher) locked(ctx context.Context, l Lock) error {
	var want []string
	for _, p := range l.Packages {
		want = append(want, p.Name+"="+p.Version)
	}
	if err := f.download(ctx, want); err != nil {
		return fmt.Errorf("%w (a version that left the archive cannot be fetched: give the kept packages with --debs, or remove the lock to take the newest)", err)
	}
	return nil
}

// roots downloads what the recipe names and the newest kernel.
func (f Fetcher) roots(ctx context.Context) error {
	meta, err := f.records(ctx, []string{kernelMeta})
	if err != nil {
		return err
	}
	kernel := ""
	for _, d := range meta[kernelMeta] {
		if kernelName.MatchString(d) {
			kernel = d
		}
	}
	if kernel == "" {
		return fmt.Errorf("%s names no kernel: run apt-get update: %w", kernelMeta, inventory.ErrNotFound)
	}
	want := []string{kernel}
	for _, p := range append(programs(), extras()...) {
		want = append(want, p.pkg)
	}
	slices.Sort(want)
	return f.download(ctx, slices.Compact(want))
}

// missing downloads the dependencies of packages that lack a library. It
// reports whether there was anything new.
func (f Fetcher) missing(ctx context.Context, p pool, missing []Missing) (bool, error) {
	var ask []string
	for _, m := range missing {
		for _, d := range p[m.Package].Depends {
			if _, have := p[d]; !have {
				ask = append(ask, d)
			}
		}
	}
	slices.Sort(ask)
	if ask = slices.Compact(ask); len(ask) == 0 {
		return false, nil
	}
	known, err := f.records(ctx, ask) // virtual packages have no record
	if err != nil {
		return false, err
	}
	ask = slices.DeleteFunc(ask, func(a string) bool { _, ok := known[a]; return !ok })
	if len(ask) == 0 {
		return false, nil
	}
	return true, f.download(ctx, ask)
}

// records asks apt for the newest record of each package and returns the names
// each depends on. Unknown packages are left out.
func (f Fetcher) records(ctx context.Context, names []string) (map[string][]string, error) {
	out, err := f.run(ctx, "apt-cache", append([]string{"show", "--no-all-versions"}, names...)...)
	if err != nil && len(out) == 0 {
		return nil, err // apt-cache ends with 100 when one of several is unknown
	}
	known := map[string][]string{}
	for paragraph := range bytes.SplitSeq(out, []byte("\n\n")) {
		var p Package
		p.fields(string(paragraph))
		if p.Name != "" {
			known[p.Name] = p.Depends
		}
	}
	return known, nil
}

func (f Fetcher) download(ctx context.Context, names []string) error {
	f.Log.Info("fetch packages", "count", len(names), "names", strings.Join(names, " "))
	_, err := f.run(ctx, "apt-get", append([]string{"-q", "download"}, names...)...)
	return err
}

func (f Fetcher) run(ctx context.Context, name string, args ...string) ([]byte, error) {
	if err := os.MkdirAll(f.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("package folder: %w", err)
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = f.Dir, append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	var out, fault bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &fault
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("%s %s: %w: %s", filepath.Base(name), args[0], err, strings.TrimSpace(fault.String()))
	}
	return out.Bytes(), nil
}
