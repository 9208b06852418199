//go:build realpeer

package conductor

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rackwright/rackwright/inventory"
)

// TestSpoolFullRealPeer: on a disk that is full, which is why the record takes
// nothing, what a leak asks for still finds room.
func TestSpoolFullRealPeer(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatalf("a disk of its own (root is needed): %v", err)
	}
	defer func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	p := spool(filepath.Join(dir, "leaks"))
	if err := p.reserve(); err != nil {
		t.Fatal(err)
	}
	filler, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = filler.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := filler.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "other"), []byte("x"), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	want := make([]*due, 40) // both latch and reading of a rack
	for i := range want {
		want[i] = latchDue(inventory.NodeSubject("n"), time.Now(), "leak: /redfish/v1/Chassis/DGX/ThermalSubsystem/LeakDetection/LeakDetectors/Chassis_0_LeakDetector_0_ColdPlate Critical; "+hostOff)
	}
	if err := p.save(want); err != nil {
		t.Fatal(err)
	}
	if list, err := p.load(); len(list) != len(want) || err != nil {
		t.Errorf("%d of %d, %v", len(list), len(want), err)
	}
	if err := p.save(nil); err != nil {
		t.Errorf("all is on record on a full disk: %v", err)
	}
	if err := os.Remove(filler.Name()); err != nil {
		t.Fatal(err)
	}
	if err := p.reserve(); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(p.room()); err != nil || info.Size() != spoolRoom {
		t.Errorf("no room is kept for the next time: %v", err)
	}
}
