package romsim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// boot is the state of one boot.
type boot struct {
	m        Machine
	link     *link
	out      Result
	declined bool
}

// run goes from power-on to the kernel.
func (b *boot) run(ctx context.Context) error {
	if err := b.m.check(); err != nil {
		return err
	}
	var err error
	if b.link, err = openLink(ctx, b.m.Relay, &b.m.Faults, &b.out.Seen); err != nil {
		return err
	}
	defer b.link.close()
	if b.m.Mode != IPXE {
		if err := b.firmware(ctx); err != nil {
			return err
		}
	}
	return b.ipxe(ctx)
}

// after ends the boot where its faults say so, or waits.
func (b *boot) after(ctx context.Context, s Stage) error {
	if b.m.Faults.StopAfter == s {
		return fmt.Errorf("after %s: %w", s, ErrDark)
	}
	return sleep(ctx, b.m.Faults.Pause)
}

// firmware is the ROM's part: an address, then the boot program.
func (b *boot) firmware(ctx context.Context) error {
	vendor := fmt.Sprintf("PXEClient:Arch:%05d:UNDI:003000", b.m.Arch)
	if b.m.Mode == HTTP {
		vendor = fmt.Sprintf("HTTPClient:Arch:%05d:UNDI:003000", b.m.Arch)
	}
	a, err := b.address(ctx, client{vendor: vendor, users: []string{UserClass}})
	if err != nil {
		return err
	}
	if a.file == "" {
		return ErrDisk
	}
	switch {
	case b.m.Mode == HTTP:
		if a.class != "HTTPClient" {
			return fmt.Errorf("%w: option 60 is %q, UEFI HTTP boot takes an offer only with HTTPClient", ErrDisk, a.class)
		}
		b.out.Program, err = b.program(ctx, a.file)
	case a.class != "" && !a.bypass:
		return fmt.Errorf("%w: option 60 without 43.6 sends this firmware to port 4011, which ends in PXE-E16", ErrDisk)
	case strings.Contains(a.file, "://"):
		return fmt.Errorf("%w: PXE firmware cannot fetch %q", ErrDisk, plainURL(a.file))
	default:
		b.out.Program, err = b.tftp(ctx, a)
	}
	if err != nil {
		return err
	}
	return b.after(ctx, StageProgram)
}

// program is UEFI HTTP boot: HEAD for the size, then GET.
func (b *boot) program(ctx context.Context, url string) (File, error) {
	head, err := b.get(ctx, "HEAD", url)
	if err != nil {
		return File{}, err
	}
	if head.length <= 0 {
		return File{}, fmt.Errorf("%w: no size of %s: could not retrieve NBP file size", ErrRefused, plainURL(url))
	}
	if !strings.HasSuffix(url, ".efi") && head.kind != "application/efi" {
		return File{}, fmt.Errorf("%w: %s is no EFI program by name or type %q", ErrRefused, plainURL(url), head.kind)
	}
	body, err := b.get(ctx, "GET", url)
	if err != nil {
		return File{}, err
	}
	if int64(len(body.data)) != head.length {
		return File{}, fmt.Errorf("%s: %d bytes, HEAD said %d: %w", plainURL(url), len(body.data), head.length, ErrDamaged)
	}
	return body.file(url), body.check("")
}

// ipxe is the second part, or the only one where iPXE is in ROM.
func (b *boot) ipxe(ctx context.Context) error {
	arch := b.m.Arch
	switch arch { // a chained iPXE says its own architecture, not the firmware's
	case ArchAMD64HTTP:
		arch = ArchAMD64
	case ArchARM64HTTP:
		arch = ArchARM64
	}
	a, err := b.address(ctx, client{vendor: fmt.Sprintf("PXEClient:Arch:%05d:UNDI:003010", arch), users: []string{"iPXE", UserClass}, arch: &arch, features: ipxeFeatures})
	if err != nil {
		return err
	}
	if b.m.Given.IsValid() && (a.class != "PXEClient" || !a.next.IsValid()) {
		return fmt.Errorf("%w: iPXE takes a proxy's file only with PXEClient and a next server", ErrDisk)
	}
	if !strings.HasPrefix(a.file, "http://") {
		return ErrDisk
	}
	got, err := b.get(ctx, "GET", a.file)
	if err != nil {
		return err
	}
	b.out.Script = string(got.data)
	if err := b.after(ctx, StageScript); err != nil {
		return err
	}
	return b.execute(ctx)
}

// execute runs the boot script and checks what it loaded.
func (b *boot) execute(ctx context.Context) error {
	run := newScript(b.out.Script, func(ctx context.Context, url string) (fetched, error) { return b.get(ctx, "GET", url) })
	err := run.run(ctx)
	b.out.Console = run.console
	if err != nil {
		return err
	}
	if run.kernel == nil {
		return fmt.Errorf("%w: it booted without a kernel", ErrScript)
	}
	b.out.Kernel, b.out.CommandLine = run.kernel.file(run.kernel.url), run.line
	if run.initrd != nil {
		b.out.Initrd = run.initrd.file(run.initrd.url)
	}
	b.out.parameters()
	for _, f := range []struct {
		what string
		got  *fetched
	}{{"kernel", run.kernel}, {"initrd", run.initrd}} {
		if f.got == nil {
			continue
		}
		if err := f.got.check(announced(b.out.Script, f.what)); err != nil {
			return fmt.Errorf("%s: %w", f.what, err)
		}
	}
	return b.after(ctx, StageKernel)
}

// announced is the digest that a comment of the script names.
func announced(script, what string) string {
	for line := range strings.Lines(script) {
		fields := strings.Fields(line)
		for i := 1; i+1 < len(fields) && fields[0] == "#"; i++ {
			if fields[i] == what && strings.HasPrefix(fields[i+1], "sha256:") {
				return fields[i+1]
			}
		}
	}
	return ""
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// isTimeout tells silence from a broken socket.
func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// ipxeFeatures is option 175 as iPXE 1.0 sends it, with http (0x13).
var ipxeFeatures = []byte{0xb1, 5, 1, 0x1a, 0xf4, 0x10, 0x00, 0x13, 1, 1, 0x17, 1, 1, 0x15, 1, 1}

// client is the program that asks for an address.
type client struct {
	vendor   string
	users    []string
	arch     *uint16 // instead of the machine's
	features []byte
}

func (c client) apply(m Machine, p *dhcpv4.DHCPv4) {
	arch := m.Arch
	if c.arch != nil {
		arch = *c.arch
	}
	p.UpdateOption(dhcpv4.OptClassIdentifier(c.vendor))
	p.UpdateOption(dhcpv4.OptRFC3004UserClass(c.users))
	p.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionClientSystemArchitectureType, []byte{byte(arch >> 8), byte(arch)}))
	p.UpdateOption(dhcpv4.OptMaxMessageSize(1472))
	if len(c.features) > 0 {
		p.UpdateOption(dhcpv4.OptGeneric(dhcpv4.GenericOptionCode(175), c.features))
	}
	if v := uuidBytes(m.UUID); v != nil {
		p.UpdateOption(dhcpv4.OptGeneric(dhcpv4.GenericOptionCode(97), v))
	}
}
