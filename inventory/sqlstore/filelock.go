package sqlstore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/rackwright/rackwright/inventory"
)

// exclusive locks a file beside the record for this process; the kernel drops
// the lock when the process ends, however it ends. The file holds the pid.
func exclusive(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return nil, fmt.Errorf("lock file %s cannot be written; check owner and mount: %w: %w", path, inventory.ErrReadOnly, err)
	}
	if err != nil {
		return nil, fmt.Errorf("lock file: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		pid, rerr := io.ReadAll(io.LimitReader(f, 32))
		_ = f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock file %s: %w", path, err)
		}
		if rerr != nil {
			pid = []byte("unknown")
		}
		return nil, fmt.Errorf("%s is served by process %s already; stop that one, or use PostgreSQL for several servers: %w", strings.TrimSuffix(path, ".lock"), strings.TrimSpace(string(pid)), inventory.ErrHeld)
	}
	if err := f.Truncate(0); err != nil {
		return nil, fmt.Errorf("lock file: %w", errors.Join(err, f.Close()))
	}
	if _, err := f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0); err != nil {
		return nil, fmt.Errorf("lock file: %w", errors.Join(err, f.Close()))
	}
	return f, nil
}
