package romsim

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// TFTP operations (RFC 1350, RFC 2347).
const (
	opRRQ   = 1
	opData  = 3
	opAck   = 4
	opError = 5
	opOAck  = 6
)

// errUser is what EDK2 sends to end its size probe.
const errUser = 8

// tftp fetches the boot program as EDK2 does: a request for the size, ended by
// ERROR 8, then the transfer. BIOS firmware asks at once.
func (b *boot) tftp(ctx context.Context, a answer) (File, error) {
	size := int64(-1)
	if b.m.Arch != ArchBIOS {
		t, err := b.openTFTP(ctx, a)
		if err != nil {
			return File{}, err
		}
		size, err = t.probe(ctx)
		t.link.close()
		if err != nil {
			return File{}, err
		}
	}
	t, err := b.openTFTP(ctx, a)
	if err != nil {
		return File{}, err
	}
	defer t.link.close()
	data, err := t.read(ctx)
	if err != nil {
		return File{}, err
	}
	if size >= 0 && size != int64(len(data)) {
		return File{}, fmt.Errorf("tftp %s: %d bytes, tsize said %d: %w", a.file, len(data), size, ErrDamaged)
	}
	return File{Name: a.file, Size: int64(len(data)), Digest: inventory.DigestOf(data)}, nil
}

// transfer is one TFTP dialogue from one port.
type transfer struct {
	b    *boot
	link *link
	file string
	to   netip.AddrPort // the server's port, then the transfer's
	tid  bool           // the transfer's port is known
	last []byte         // to repeat
}

func (b *boot) openTFTP(ctx context.Context, a answer) (*transfer, error) {
	at := b.m.Relay
	if a.addr.IsLoopback() {
		at = a.addr
	}
	l, err := openLink(ctx, at, &b.m.Faults, &b.out.Seen)
	if err != nil {
		return nil, err
	}
	port := b.m.TFTPPort
	if port == 0 {
		port = 69
	}
	return &transfer{b: b, link: l, file: a.file, to: netip.AddrPortFrom(a.next, port)}, nil
}

func (t *transfer) request(options ...string) error {
	t.last = binary.BigEndian.AppendUint16(nil, opRRQ)
	for _, part := range append([]string{t.file, "octet"}, options...) {
		t.last = append(append(t.last, part...), 0)
	}
	return t.link.send(t.last, t.to)
}

func (t *transfer) ack(block uint16) error {
	t.last = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, opAck), block)
	return t.link.send(t.last, t.to)
}

// next returns the next packet of the transfer, repeating what was sent last
// when the server is silent.
func (t *transfer) next(ctx context.Context) (op uint16, rest []byte, err error) {
	for range t.b.tries() {
		for until := time.Now().Add(t.b.timeout()); ; {
			data, from, err := t.link.receive(ctx, until)
			if isTimeout(err) {
				break
			}
			if err != nil {
				return 0, nil, err
			}
			if from.Addr() != t.to.Addr() || t.tid && from != t.to || len(data) < 4 {
				continue // RFC 1350 §4: another transfer's
			}
			t.to, t.tid = from, true
			op = binary.BigEndian.Uint16(data)
			if op == opError {
				return op, nil, fmt.Errorf("%w: tftp %s: code %d %s", ErrRefused, t.file, binary.BigEndian.Uint16(data[2:]), strings.Trim(string(data[4:]), "\x00"))
			}
			return op, data[2:], nil
		}
		if err := t.link.send(t.last, t.to); err != nil {
			return 0, nil, err
		}
	}
	return 0, nil, fmt.Errorf("tftp %s: %w", t.file, ErrNoAnswer)
}

// probe asks for the size and ends the transfer before its first block.
func (t *transfer) probe(ctx context.Context) (int64, error) {
	if err := t.request("tsize", "0", "blksize", "1468", "windowsize", "4"); err != nil {
		return 0, err
	}
	op, rest, err := t.next(ctx)
	if err != nil {
		return 0, err
	}
	if op != opOAck {
		return -1, nil // no options there: the size stays unknown
	}
	end := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, opError), errUser)
	if err := t.link.send(append(append(end, "User aborted the transfer"...), 0), t.to); err != nil {
		return 0, err
	}
	size, err := strconv.ParseInt(option(rest, "tsize"), 10, 64)
	if err != nil {
		return -1, nil
	}
	return size, nil
}

// read transfers the file.
func (t *transfer) read(ctx context.Context) ([]byte, error) {
	if err := t.request("blksize", "1468", "windowsize", "4"); err != nil {
		return nil, err
	}
	size, want := 512, uint16(1)
	var out bytes.Buffer
	for {
		op, rest, err := t.next(ctx)
		if err != nil {
			return nil, err
		}
		block := binary.BigEndian.Uint16(rest)
		switch {
		case op == opOAck && out.Len() == 0:
			if n, err := strconv.Atoi(option(rest, "blksize")); err == nil {
				size = n
			}
			if option(rest, "windowsize") != "" {
				return nil, fmt.Errorf("%w: tftp %s: the server took a window that this ROM cannot use", ErrRefused, t.file)
			}
			if err := t.ack(0); err != nil {
				return nil, err
			}
		case op == opData && block == want:
			out.Write(rest[2:])
			if err := t.ack(block); err != nil {
				return nil, err
			}
			want++
			if len(rest)-2 < size {
				return out.Bytes(), nil
			}
			if out.Len() > maxFile {
				return nil, fmt.Errorf("tftp %s: more than %d bytes: %w", t.file, maxFile, ErrDamaged)
			}
		case op == opData && block == want-1 && want > 1:
			// A repeated block: its ACK was lost. Only a lost ACK is sent again,
			// which avoids the sorcerer's apprentice (RFC 1123 §4.2.3.1).
			if err := t.link.send(t.last, t.to); err != nil {
				return nil, err
			}
		}
	}
}

// option reads one value of an OACK.
func option(rest []byte, name string) string {
	parts := strings.Split(string(rest), "\x00")
	for i := 0; i+1 < len(parts); i += 2 {
		if strings.EqualFold(parts[i], name) {
			return parts[i+1]
		}
	}
	return ""
}
