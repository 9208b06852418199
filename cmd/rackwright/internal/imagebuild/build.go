package imagebuild

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/rackwright/rackwright/images"
	"github.com/rackwright/rackwright/inventory"
)

// MaxInitrd bounds the compressed initramfs: every node of a rack loads it.
const MaxInitrd = 60 << 20

// Options say what to build from.
type Options struct {
	Debs  string   // folder of .deb files; Fetch puts its own there
	Fetch *Fetcher // nil: only what is in the folder
	Lock  *Lock    // nil: whatever is there is taken, and locked
	Agent []byte   // rackagent for Linux on amd64, static
	Log   *slog.Logger
}

// Result is a built image that is not stored yet.
type Result struct {
	Kernel, Initrd []byte
	Unpacked       int64  // bytes of the initramfs in memory
	Version        string // of the kernel package and the lock: "6.1.192-2.1a2b3c4d"
	KernelRelease  string // "6.1.0-56-amd64"
	Lock           Lock
	Args           []string
	Tools          map[string]string // tool → package version
	Files          int
}

// Build makes the image. Errors: inventory.ErrInvalid for packages that do not
// fit the lock or each other, inventory.ErrNotFound for what is missing.
func Build(ctx context.Context, o Options) (Result, error) {
	if err := static(o.Agent); err != nil {
		return Result{}, err
	}
	p, packed, err := o.gather(ctx)
	if err != nil {
		return Result{}, err
	}
	k, err := readKernel(p)
	if err != nil {
		return Result{}, err
	}
	used := map[string]bool{k.pkg.Name: true}
	for _, f := range packed {
		used[f.pkg] = true
	}
	var contributing []Package
	for name := range used {
		contributing = append(contributing, p[name])
	}
	r := Result{Kernel: k.image, KernelRelease: k.release, Lock: lockOf(contributing), Args: kernelArgs(), Tools: map[string]string{}}
	if o.Lock != nil {
		if diff := o.Lock.Differs(r.Lock); len(diff) > 0 {
			return r, fmt.Errorf("the packages do not fit the lock:\n  %s\nbring the locked packages, or remove the lock to take these: %w", strings.Join(diff, "\n  "), inventory.ErrInvalid)
		}
	}
	for _, t := range programs() {
		r.Tools[t.tool] = p[t.pkg].Version
	}
	r.Tools["rackagent"] = string(inventory.DigestOf(o.Agent))
	lock, err := r.Lock.JSON()
	if err != nil {
		return r, err
	}
	r.Version = k.pkg.Version + "." + inventory.DigestOf(lock).Hex()[:8]
	return r, r.pack(entries(packed, k, o.Agent))
}

// static refuses an agent that would need a library of the image.
func static(agent []byte) error {
	d, err := dynamicOf(agent)
	switch {
	case !bytes.HasPrefix(agent, []byte(elf.ELFMAG)):
		err = errors.New("it is no program")
	case err == nil && (d.interp != "" || len(d.needed) > 0):
		err = fmt.Errorf("it needs %s%v", d.interp, d.needed)
	}
	if err != nil {
		return fmt.Errorf("rackagent of %d bytes is no static program for Linux on amd64 (%w): use make build: %w", len(agent), err, inventory.ErrInvalid)
	}
	return nil
}

// gather opens the packages and walks the closure, fetching what lacks.
func (o Options) gather(ctx context.Context) (pool, map[string]file, error) {
	if o.Fetch != nil {
		fetch := o.Fetch.roots
		if o.Lock != nil {
			fetch = func(ctx context.Context) error { return o.Fetch.locked(ctx, *o.Lock) }
		}
		if err := fetch(ctx); err != nil {
			return nil, nil, err
		}
	}
	var roots []string
	for _, r := range append(programs(), extras()...) {
		roots = append(roots, r.path)
	}
	var t tree
	read := map[string]bool{}
	for {
		p, err := openPool(o.Debs)
		if err != nil {
			return nil, nil, err
		}
		if o.Lock != nil {
			p.keep(*o.Lock)
		}
		if err := p.offers(&t, read); err != nil {
			return nil, nil, err
		}
		packed, missing, err := t.closure(roots)
		if err != nil {
			return nil, nil, err
		}
		if len(missing) == 0 {
			return p, packed, nil
		}
		more := false
		if o.Fetch != nil && o.Lock == nil {
			if more, err = o.Fetch.missing(ctx, p, missing); err != nil {
				return nil, nil, err
			}
		}
		if !more {
			return nil, nil, lacking(missing)
		}
	}
}

func lacking(missing []Missing) error {
	var lines []string
	for _, m := range missing {
		lines = append(lines, m.String())
	}
	return fmt.Errorf("no package here brings:\n  %s\nadd the packages to the folder, or use --fetch: %w", strings.Join(lines, "\n  "), inventory.ErrNotFound)
}

// entries lays the image out.
func entries(packed map[string]file, k kernel, agent []byte) []images.Entry {
	dir := func(p string, mode uint32) images.Entry {
		return images.Entry{Path: p, Mode: modeDir(mode)}
	}
	out := []images.Entry{dir("proc", 0o555), dir("sys", 0o555), dir("dev", 0o755), dir("run", 0o755), dir("tmp", 0o777), dir("root", 0o700),
		{Path: "dev/console", Mode: modeChar(0o600), Major: 5, Minor: 1}, {Path: "dev/null", Mode: modeChar(0o666), Major: 1, Minor: 3},
		{Path: "usr/bin/rackagent", Mode: 0o755, Data: agent},
		link("init", "usr/bin/rackagent"), link("usr/bin/sh", "busybox"), link("usr/bin/ip", "busybox"), link("usr/sbin/udhcpc", "../bin/busybox"),
		{Path: "etc/passwd", Mode: 0o644, Data: []byte("root:x:0:0:root:/root:/bin/sh\n")}, {Path: "etc/group", Mode: 0o644, Data: []byte("root:x:0:\n")},
		{Path: "usr/share/rackwright/udhcpc", Mode: 0o755, Data: []byte(dhcpScript)}}
	for _, d := range mergedDirs {
		out = append(out, link(d, "usr/"+d))
	}
	for _, f := range packed {
		switch {
		case f.link != "":
			out = append(out, link(f.path, f.link))
		case f.exec || strings.Contains(path.Base(f.path), ".so"):
			out = append(out, images.Entry{Path: f.path, Mode: 0o755, Data: f.content})
		default:
			out = append(out, images.Entry{Path: f.path, Mode: 0o644, Data: f.content})
		}
	}
	for name, content := range k.files {
		out = append(out, images.Entry{Path: name, Mode: 0o644, Data: content})
	}
	return out
}

// pack writes and compresses the initramfs. One encoder thread and a fixed
// level keep the bytes the same on every machine.
func (r *Result) pack(list []images.Entry) error {
	r.Files = len(list)
	var packed bytes.Buffer
	z, err := zstd.NewWriter(&packed, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return fmt.Errorf("initramfs: %w", err)
	}
	count := &counter{w: z}
	if err := images.WriteInitramfs(count, list); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("initramfs: %w", err)
	}
	r.Initrd, r.Unpacked = packed.Bytes(), count.n
	if len(r.Initrd) > MaxInitrd {
		return fmt.Errorf("the initramfs has %d MiB, at most %d: take modules or tools off its list: %w", len(r.Initrd)>>20, MaxInitrd>>20, inventory.ErrInvalid)
	}
	return nil
}

type counter struct {
	w io.Writer
	n int64
}

// Write implements io.Writer.
func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// Image is the document of the image, and the bytes of its lock.
func (r Result) Image(name string) (images.Image, []byte, error) {
	lock, err := r.Lock.JSON()
	return images.Image{Name: name, Version: r.Version, Arch: images.ArchAMD64, Args: r.Args, Tools: r.Tools, Lock: inventory.DigestOf(lock),
		Files: map[string]images.Digest{"kernel": inventory.DigestOf(r.Kernel), "initrd": inventory.DigestOf(r.Initrd)}}, lock, err
}

// Publish stores the blobs and makes the image the newest of its name.
func (r Result) Publish(ctx context.Context, c *images.Catalogue, name string) (images.Image, images.Digest, error) {
	img, lock, err := r.Image(name)
	if err != nil {
		return img, "", err
	}
	for _, content := range [][]byte{r.Kernel, r.Initrd, lock} {
		if _, err := c.Store.Put(ctx, bytes.NewReader(content)); err != nil {
			return img, "", fmt.Errorf("image %s: %w", name, err)
		}
	}
	d, err := c.Publish(ctx, img)
	return img, d, err
}
