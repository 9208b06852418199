package pxe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/pin/tftp/v3"

	"github.com/rackwright/rackwright/inventory"
)

// What TFTP clients are told: the library sends an error's text, so these say
// nothing about this machine.
var (
	errNoFile    = errors.New("no such file")
	errNotNow    = errors.New("not now")
	errBusy      = errors.New("busy, try again")
	errNewer     = errors.New("a newer request took over")
	errStopping  = errors.New("server stops")
	errOurFault  = errors.New("internal error")
	errDuplicate = errors.New("transfer is under way")
)

// Limits of TFTP (netboot.md §12.1). The block size keeps packets below 1,500
// bytes on IPv4 and IPv6; the library forgets the TFTP header in its own clamp.
const (
	tftpBlock    = 1428
	tftpTimeout  = time.Second
	tftpRetries  = 5
	tftpAtOnce   = 256
	tftpStopping = 3 * time.Second
)

// serveTFTP serves boot programs on one socket until the context ends. One
// port per transfer: the library's single-port mode is slow and its clamp wrong.
func (s *Service) serveTFTP(ctx context.Context, conn *net.UDPConn) error {
	srv := tftp.NewServer(func(name string, rf io.ReaderFrom) error { return s.sendProgram(ctx, name, rf) }, nil)
	srv.SetBlockSize(tftpBlock)
	srv.SetTimeout(tftpTimeout)
	srv.SetRetries(tftpRetries)
	srv.SetBackoff(func(attempt int) time.Duration { return time.Duration(attempt) * 250 * time.Millisecond })
	done := make(chan error, 1)
	go func() { done <- keepServing(ctx, s, srv, conn) }()
	var failed error
	select {
	case failed = <-done:
		done <- nil
	case <-ctx.Done():
	}
	stopped := make(chan struct{})
	go func() { defer close(stopped); srv.Shutdown() }() // waits for transfers without a limit
	select {
	case <-stopped:
		<-done
	case <-time.After(tftpStopping):
		s.log.Warn("TFTP transfers were cut off")
	}
	return failed
}

// keepServing outlives a packet that makes the library's parser panic. A read
// error never ends its loop, so only Shutdown and a panic return.
func keepServing(ctx context.Context, s *Service, srv *tftp.Server, conn *net.UDPConn) error {
	for {
		err := func() (err error) {
			defer func() {
				if r := recover(); r != nil {
					s.counts.add(BranchPanic)
					s.log.Error("tftp packet not answered", "panic", r, "stack", string(debug.Stack()))
					err = errOurFault
				}
			}()
			return srv.Serve(conn)
		}()
		switch {
		case ctx.Err() != nil || err == nil:
			return nil
		case errors.Is(err, errOurFault):
			continue
		}
		return fmt.Errorf("pxe: TFTP: %w", err)
	}
}

// sendProgram is one read request. It runs on the library's goroutine, where a
// panic would end the process.
func (s *Service) sendProgram(ctx context.Context, name string, rf io.ReaderFrom) (err error) {
	defer func() {
		if r := recover(); r != nil {
			s.counts.add(BranchPanic)
			s.log.Error("tftp transfer failed: this is a fault of ours", "panic", r, "stack", string(debug.Stack()))
			err = errOurFault
		}
	}()
	peer := netip.AddrPort{}
	if out, ok := rf.(tftp.OutgoingTransfer); ok {
		remote := out.RemoteAddr()
		peer = udpAddr(&remote)
	}
	h, node, err := s.tftpClient(ctx, peer.Addr())
	note := func(stage string, b Branch, n int64) {
		s.counts.add(b)
		if node != nil {
			s.ledger.note(inventory.BootLine{Hint: h, Node: node.ID, Stage: stage, Branch: string(b), Detail: clean(name), Bytes: n, Addr: peer.Addr(),
				Token: TokenDigest(NodeToken(s.deps.Key, h.MAC, *node)), At: time.Now()})
		}
	}
	if err != nil {
		note(StageRRQ, BranchRefused, 0)
		s.log.Info("tftp request refused", "peer", peer, "file", clean(name), "err", err)
		return errNotNow
	}
	data, ok := s.deps.Programs.open(name)
	if !ok {
		note(StageRRQ, BranchRefused, 0)
		s.log.Info("tftp request for a file that is not served", "peer", peer, "file", clean(name))
		return errNoFile
	}
	t, err := s.tftp.begin(ctx, peer, name)
	if err != nil {
		s.counts.add(tftpBranch(err))
		return err
	}
	defer s.tftp.end(t)
	note(StageRRQ, BranchServed, 0)
	body := &counted{Reader: data, ctx: ctx, t: t}
	_, err = rf.ReadFrom(body)
	b := result(err, body.n)
	note(StageTFTPDone, b, body.n)
	s.log.Debug("tftp transfer", "peer", peer, "file", clean(name), "bytes", body.n, "result", b, "err", err)
	return nil // the library has told the client already
}

// tftpClient says who asks. Boot programs hold no secret: a machine that we
// cannot name is served inside our scopes, one that we know only while its
// gate is open.
func (s *Service) tftpClient(ctx context.Context, from netip.Addr) (inventory.Hint, *inventory.Node, error) {
	h, known := s.seen.user(from)
	sc, inside := s.scopeWith(from)
	if !known && inside {
		rows, err := s.bindings.get(ctx, s.deps.Store, sc.Subnet) // another server of ours gave the address
		if err != nil {
			return h, nil, err
		}
		for _, b := range rows {
			if b.Addr == from && b.MAC != "" {
				h, known = b.Hint, true
			}
		}
	}
	switch {
	case !known && (inside || len(s.cfg.Scopes) == 0):
		return h, nil, nil
	case !known:
		return h, nil, fmt.Errorf("%s is in no scope", from)
	}
	f, err := s.facts(ctx, h)
	if err != nil {
		return h, nil, err
	}
	if f.Node == nil {
		return h, nil, fmt.Errorf("nobody expects %s", h.MAC)
	}
	if b, _, open := Gate(f); !open {
		return h, f.Node, fmt.Errorf("gate of %s is shut: %s", f.Node.Address, b)
	}
	return h, f.Node, nil
}

// counted counts the bytes of a program as they leave, and ends a transfer that
// must end. It stays a Seeker: the library takes the size from it.
type counted struct {
	*bytes.Reader
	ctx context.Context
	t   *transfer
	n   int64
}

// Read implements io.Reader.
func (c *counted) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, errStopping
	}
	select {
	case <-c.t.newer:
		return 0, errNewer
	default:
	}
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// WriteTo hides the Reader's own: every byte must pass Read.
func (c *counted) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{c})
}

// result names how a transfer ended. EDK2 asks for the size first and ends
// that with ERROR 8: an end before the first block that is no timeout.
func result(err error, sent int64) Branch {
	var timeout net.Error
	switch {
	case err == nil:
		return BranchServed
	case errors.Is(err, errNewer), errors.Is(err, errStopping):
		return BranchAbort
	case errors.As(err, &timeout) && timeout.Timeout():
		return BranchTimeout
	case sent == 0:
		return BranchProbe
	}
	return BranchAbort
}

func tftpBranch(err error) Branch {
	if errors.Is(err, errDuplicate) {
		return BranchDuplicate
	}
	return BranchBusy
}
