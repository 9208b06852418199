package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/rackwright/rackwright/images/burnin"
	"github.com/rackwright/rackwright/images/burnin/tool"
)

// kmsg watches the kernel log from the first line of this boot.
type kmsg struct {
	path string
	host tool.Host
}

// recordSize is more than the kernel's largest record (CONSOLE_EXT_LOG_MAX, 8 KiB).
const recordSize = 16 << 10

// Watch implements burnin.KernelLog. Lines that the kernel dropped before they
// could be read (EPIPE, or a number that is skipped) are a gap.
func (k kmsg) Watch(ctx context.Context, line func(burnin.KernelLine)) error {
	f, err := os.OpenFile(k.path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("kernel log: %w", err)
	}
	defer f.Close()
	stop := context.AfterFunc(ctx, func() {
		if err := f.SetReadDeadline(time.Unix(1, 0)); err != nil {
			f.Close() // a file that cannot be timed out is closed under its reader
		}
	})
	defer stop()
	return k.read(ctx, f, line)
}

func (k kmsg) read(ctx context.Context, r io.Reader, line func(burnin.KernelLine)) error {
	buf := make([]byte, recordSize)
	var next uint64
	for first := true; ; {
		n, err := r.Read(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, syscall.EPIPE):
			line(burnin.KernelLine{Seq: next, Class: burnin.KernelGap, Text: "the kernel log was overwritten before it was read"})
			first = true
			continue
		case errors.Is(err, syscall.EINTR) || errors.Is(err, syscall.EAGAIN):
			continue
		case err != nil:
			return fmt.Errorf("kernel log: %w", err)
		}
		rec, err := tool.Kmsg(buf[:n])
		if err != nil {
			return err
		}
		if !first && rec.Seq != next {
			line(burnin.KernelLine{Seq: rec.Seq, Class: burnin.KernelGap, Text: fmt.Sprintf("%d kernel log lines are lost", rec.Seq-next)})
		}
		first, next = false, rec.Seq+1
		if l, ok := k.host.Line(rec); ok {
			line(l)
		}
	}
}
