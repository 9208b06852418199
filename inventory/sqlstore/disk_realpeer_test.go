//go:build realpeer

package sqlstore_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/storetest"
)

// TestRealPeerDisk works on a small real file system that is filled up, and
// then made read-only, under an open record. It needs root to mount.
func TestRealPeerDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Fatalf("mount a small disk (this test needs root): %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(dir, "record.db")
	s := open(t, path)
	filler := filepath.Join(dir, "filler")
	fill(t, filler)
	var said bytes.Buffer
	err := storetest.Story(t.Context(), s, func(step string) { fmt.Fprintf(&said, "done %s\n", step) })
	if !errors.Is(err, inventory.ErrReadOnly) {
		t.Fatalf("on a full disk (after %q): %v", said.String(), err)
	}
	t.Logf("full: %v", err)
	kept(t, s, said.Bytes())
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := storetest.Story(t.Context(), s, func(string) {}); err != nil {
		t.Fatalf("with room again: %v", err)
	}
	want, err := storetest.State(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := tryOpen(t, path); !errors.Is(err, inventory.ErrReadOnly) || !errors.Is(err, syscall.EROFS) {
		t.Fatalf("a read-only disk: %v", err)
	} else {
		t.Logf("read-only: %v", err)
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT, "size=4m"); err != nil {
		t.Fatal(err)
	}
	if got := ended(t, open(t, path)); got != want {
		t.Fatalf("after the read-only time:\n%s\nwant\n%s", got, want)
	}
}

// fill takes every byte that is left.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 16; size > 0; size /= 2 {
		for {
			if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
}
