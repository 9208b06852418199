package pxe

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/rackwright/rackwright/images"
	"github.com/rackwright/rackwright/inventory"
)

// bootPath is a request below /b/, taken apart.
type bootPath struct {
	mac   inventory.MAC
	token inventory.Secret
	kind  pathKind
	arch  images.Arch   // of a program
	image images.Digest // of a file
	file  string        // kernel, initrd, uki
	event string        // script, kernel, failed
}

type pathKind string

const (
	pathProgram  pathKind = "program"
	pathAutoexec pathKind = "autoexec"
	pathScript   pathKind = "script"
	pathFile     pathKind = "file"
	pathEvent    pathKind = "event"
)

// parsePath reads /b/{mac}/{token}/… and nothing else.
func parsePath(path string) (bootPath, bool) {
	var b bootPath
	parts := strings.Split(path, "/")
	if len(parts) < 5 || parts[0] != "" || parts[1] != "b" || len(parts[2]) != 17 || len(parts[3]) != tokenDigits || strings.Trim(parts[3], "0123456789abcdef") != "" {
		return b, false
	}
	mac, ok := inventory.ParseMAC(parts[2])
	if !ok || string(mac) != parts[2] {
		return b, false
	}
	b.mac, b.token = mac, inventory.NewSecret(parts[3])
	switch rest := parts[4:]; {
	case len(rest) == 1 && rest[0] == "script.ipxe":
		b.kind = pathScript
	case len(rest) == 1 && rest[0] == autoexec:
		b.kind = pathAutoexec
	case len(rest) == 2 && (rest[0] == string(images.ArchAMD64) || rest[0] == string(images.ArchARM64)) && rest[1] == "boot.efi":
		b.kind, b.arch = pathProgram, images.Arch(rest[0])
	case len(rest) == 2 && rest[1] == autoexec:
		b.kind = pathAutoexec
	case len(rest) == 2 && rest[0] == "event" && (rest[1] == StageScript || rest[1] == StageKernel || rest[1] == eventFailed):
		b.kind, b.event = pathEvent, rest[1]
	case len(rest) == 3 && rest[0] == "f" && (rest[2] == "kernel" || rest[2] == "initrd" || rest[2] == "uki"):
		d, err := inventory.ParseDigest("sha256:" + rest[1])
		if err != nil {
			return b, false
		}
		b.kind, b.image, b.file = pathFile, d, rest[2]
	default:
		return b, false
	}
	return b, true
}

const eventFailed = "failed"

// Handler serves what DHCP advertises: program, script, kernel and image of one
// boot, below /b/{mac}/{token}/. Every path asks the same gate as DHCP does.
// It answers GET and HEAD, with Range for files. It calls for no person's
// credential and lists nothing; mount it on the provisioning listener only.
func (s *Service) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := newBody(w)
		defer func() {
			if v := recover(); v != nil {
				s.counts.add(BranchPanic)
				s.log.Error("boot request failed: this is a fault of ours", "panic", v, "stack", string(debug.Stack()))
				panic(http.ErrAbortHandler) // half a file must not look like a whole one
			}
		}()
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(out, "boot files are read only: use GET or HEAD", http.StatusMethodNotAllowed)
			return
		}
		b, ok := parsePath(r.URL.Path)
		if !ok {
			http.NotFound(out, r)
			return
		}
		x := &fetch{s: s, w: out, req: r, path: b, from: peer(r)}
		if err := x.serve(r.Context()); err != nil {
			s.counts.add(BranchRecordFailed)
			s.log.Warn("boot request not answered", "mac", b.mac, "what", b.kind, "err", err)
			http.Error(out, "the record cannot be read now; see the server's log", http.StatusServiceUnavailable)
		}
	})
}

// peer is the address of the machine itself: boot paths have no proxy before them.
func peer(r *http.Request) netip.Addr { return parsePort(r.RemoteAddr).Addr() }

// fetch is the work on one request.
type fetch struct {
	s    *Service
	w    *body
	req  *http.Request
	path bootPath
	from netip.Addr
	hint inventory.Hint
	f    Facts
}

// serve checks token, gate and address, in this order, then hands the file out.
func (x *fetch) serve(ctx context.Context) error {
	x.hint = inventory.Hint{MAC: x.path.mac}
	if h, ok := x.s.seen.user(x.from); ok && h.MAC == x.path.mac {
		x.hint = h // with the UUID that DHCP said
	}
	var err error
	if x.f, err = x.s.facts(ctx, x.hint); err != nil {
		return err
	}
	if x.f.Node == nil || !sameToken(x.path.token, NodeToken(x.s.deps.Key, x.path.mac, *x.f.Node)) {
		x.refuse(BranchRefused, "this boot is over or never was: start the machine again")
		return nil
	}
	if b, reason, open := Gate(x.f); !open {
		x.refuse(b, reason)
		return nil
	}
	foreign, err := x.foreign(ctx)
	if err != nil {
		return err
	}
	if foreign != "" {
		return x.revoke(ctx, foreign)
	}
	return x.hand(ctx)
}

// refuse answers a shut gate. A script says the reason on the console; all
// else is 403, which firmware takes as the end of this boot entry.
func (x *fetch) refuse(b Branch, reason string) {
	x.s.counts.add(b)
	x.note(x.stage(), b, "", 0)
	x.s.log.Info("boot request refused", "mac", x.path.mac, "what", x.path.kind, "from", x.from, "branch", b)
	if x.path.kind == pathScript && b != BranchRefused {
		x.text("text/plain", FailScript(reason))
		return
	}
	http.Error(x.w, reason, http.StatusForbidden)
}

// foreign names a second address that uses this token; empty for the machine's
// own. Where we gave the address the binding decides, else the first fetch of
// a script: before it, firmware may have had another address of that server.
func (x *fetch) foreign(ctx context.Context) (string, error) {
	if x.s.cfg.Policy.Mode == ModeAuthoritative {
		if h, ok := x.s.seen.user(x.from); ok && h.MAC == x.path.mac {
			return "", nil
		}
		if sc, ok := x.s.scopeWith(x.from); ok {
			rows, err := x.s.bindings.get(ctx, x.s.deps.Store, sc.Subnet)
			if err != nil {
				return "", err
			}
			for _, b := range rows {
				if b.Addr == x.from && b.MAC == x.path.mac {
					return "", nil
				}
			}
		}
		return x.from.String(), nil
	}
	if x.path.kind == pathProgram || x.path.kind == pathAutoexec {
		return "", nil
	}
	if first := x.s.seen.from(x.f.Token, x.from); first != x.from {
		return x.from.String(), nil
	}
	return "", nil
}

func (x *fetch) revoke(ctx context.Context, from string) error {
	x.s.counts.add(BranchRevoked)
	x.s.log.Warn("a boot token was used from a foreign address and is revoked", "mac", x.path.mac, "node", x.f.Node.Address, "from", from)
	if err := x.s.deps.Store.Note(ctx, x.line(x.stage(), BranchRevoked, from, 0)); err != nil { // the gate reads it
		return err
	}
	http.Error(x.w, "this boot token belongs to another machine", http.StatusForbidden)
	return nil
}

func (x *fetch) stage() string {
	switch {
	case x.path.kind == pathScript:
		return StageScript
	case x.path.kind == pathEvent, x.path.kind == pathFile && x.path.file != "kernel":
		return StageHTTPGet
	case x.path.kind == pathFile:
		return StageKernel
	case x.req.Method == http.MethodHead:
		return StageHTTPHead
	}
	return StageHTTPGet
}

func (x *fetch) note(stage string, b Branch, detail string, n int64) {
	if x.f.Node == nil {
		return
	}
	x.s.ledger.note(x.line(stage, b, detail, n))
}

func (x *fetch) line(stage string, b Branch, detail string, n int64) inventory.BootLine {
	return inventory.BootLine{Hint: x.hint, Node: x.f.Node.ID, Stage: stage, Branch: string(b), Detail: detail, Bytes: n, Addr: x.from, Token: x.f.Token, At: time.Now()}
}

// hand serves the file of a path whose gate is open.
func (x *fetch) hand(ctx context.Context) error {
	switch x.path.kind {
	case pathProgram:
		return x.program()
	case pathAutoexec:
		x.text("text/plain", []byte(AutoexecScript))
	case pathScript:
		return x.script(ctx)
	case pathFile:
		return x.file(ctx)
	case pathEvent:
		x.event()
	}
	return nil
}

// event is the script telling how far it came.
func (x *fetch) event() {
	x.text("text/plain", []byte("ok\n")) // before anything is delivered anywhere
	b, stage := BranchServed, x.path.event
	if stage == eventFailed {
		b, stage = BranchFailed, StageKernel
	}
	x.s.counts.add(b)
	x.note(StageHTTPGet, b, "event "+stage, 0)
}

func (x *fetch) missing(b Branch, err error) {
	x.s.counts.add(b)
	x.s.log.Warn("boot file is not there", "mac", x.path.mac, "node", x.f.Node.Address, "what", x.path.kind, "err", err)
	x.note(x.stage(), b, clean(err.Error()), 0)
}

func isMissing(err error) bool {
	return errors.Is(err, inventory.ErrNotFound) || errors.Is(err, inventory.ErrInvalid)
}
