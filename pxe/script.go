package pxe

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/rackwright/rackwright/images"
	"github.com/rackwright/rackwright/inventory"
)

// Endpoints is where machines reach this server. Addresses, not names: UEFI
// does not pass name servers on.
type Endpoints struct {
	Server netip.Addr // option 54; stable across restarts
	TFTP   netip.Addr // next server; zero means Server
	HTTP   string     // host:port
	// API is the base URL that the agent calls, http(s)://host:port.
	API string
	// Pin is the SHA-256 of the public key (SubjectPublicKeyInfo) that the agent trusts for API; empty without TLS.
	Pin inventory.Digest
}

func (e Endpoints) tftp() netip.Addr {
	if e.TFTP.IsValid() {
		return e.TFTP
	}
	return e.Server
}

// base is the directory of one boot: everything below carries MAC and token.
func (e Endpoints) base(mac inventory.MAC, token inventory.Secret) string {
	return "http://" + e.HTTP + "/b/" + string(mac) + "/" + token.Reveal()
}

// URLs of one boot.
func (e Endpoints) programURL(mac inventory.MAC, token inventory.Secret, arch images.Arch) string {
	return e.base(mac, token) + "/" + string(arch) + "/boot.efi"
}

func (e Endpoints) scriptURL(mac inventory.MAC, token inventory.Secret) string {
	return e.base(mac, token) + "/script.ipxe"
}

// Boot is everything that a script says.
type Boot struct {
	Node   inventory.Node
	MAC    inventory.MAC
	Image  images.Image
	Digest images.Digest // of the image's document: what the machine runs
	Token  inventory.Secret
	Args   []string // of this site or node: consoles first of all
}

// maxCommandLine is Linux's limit on x86 and arm64 without the final zero.
const maxCommandLine = 2047

// CommandLine is the kernel command line of a boot. Parameters under
// "rackwright." are the agent's: server, pin, token, mac, node, run, image.
func CommandLine(b Boot, e Endpoints) (string, error) {
	args := slices.Concat([]string{"initrd=initrd"}, b.Image.Args, b.Args)
	run := inventory.RunID("")
	if op := b.Node.Operation; op != nil && op.Boot != nil {
		run = bootRun(b.Node)
	}
	args = append(args, "BOOTIF=01-"+strings.ReplaceAll(string(b.MAC), ":", "-"))
	for _, kv := range [][2]string{{"server", e.API}, {"pin", string(e.Pin)}, {"token", b.Token.Reveal()}, {"mac", string(b.MAC)},
		{"node", string(b.Node.ID)}, {"run", string(run)}, {"image", string(b.Digest)}} {
		if kv[1] != "" {
			args = append(args, "rackwright."+kv[0]+"="+kv[1])
		}
	}
	for _, a := range args {
		if a == "" || strings.ContainsFunc(a, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`$\`, r) }) {
			return "", fmt.Errorf("kernel argument %q: use printable ASCII without blank, $ and backslash: %w", a, inventory.ErrInvalid)
		}
	}
	line := strings.Join(args, " ")
	if len(line) > maxCommandLine {
		return "", fmt.Errorf("kernel command line of %d bytes: at most %d, shorten the image's or the site's arguments: %w", len(line), maxCommandLine, inventory.ErrInvalid)
	}
	return line, nil
}

// Script writes the iPXE script of one boot. Files are addressed by digest, a
// failed transfer is tried again, and a script that gives up says so and lets
// the firmware try its next entry. It never opens a shell.
func Script(b Boot, e Endpoints) ([]byte, error) {
	if b.Token.IsZero() {
		return nil, errors.New("boot script: no token")
	}
	kernel, initrd := b.Image.Files["kernel"], b.Image.Files["initrd"]
	if kernel == "" {
		return nil, fmt.Errorf("boot script: image %s has no kernel, it has %v: %w", b.Image.Name, slices.Sorted(maps.Keys(b.Image.Files)), inventory.ErrInvalid)
	}
	line, err := CommandLine(b, e)
	if err != nil {
		return nil, fmt.Errorf("boot script of %s: %w", b.Node.Address, err)
	}
	var w strings.Builder
	put := func(format string, args ...any) { fmt.Fprintf(&w, format+"\n", args...) }
	put("#!ipxe")
	put("# node %s image %s %s", plain(b.Node.Address), plain(b.Image.Name), b.Digest)
	put("# kernel %s initrd %s", kernel, initrd)
	put("set base %s", e.base(b.MAC, b.Token))
	put("set tries:int32 0")
	put("imgfetch --name mark ${base}/event/script && imgfree mark ||")
	put(":load")
	put("kernel --name kernel ${base}/f/%s/kernel %s || goto again", b.Digest.Hex(), line)
	if initrd != "" {
		put("initrd --name initrd ${base}/f/%s/initrd || goto again", b.Digest.Hex())
	}
	put("imgfetch --name mark ${base}/event/kernel && imgfree mark ||")
	put("boot || goto failed")
	put(":again")
	put("inc tries")
	put("iseq ${tries} 4 && goto failed ||")
	put("imgfree kernel ||")
	put("imgfree initrd ||")
	put("sleep 3")
	put("goto load")
	put(":failed")
	put("imgfetch --name mark ${base}/event/failed && imgfree mark ||")
	put("echo rackwright: %s could not boot image %s, see its boot ledger", plain(b.Node.Address), plain(b.Image.Name))
	put("sleep 5")
	put("exit 1")
	return []byte(w.String()), nil
}

// FailScript tells an iPXE why it gets nothing and lets the firmware go on.
func FailScript(reason string) []byte {
	return []byte("#!ipxe\necho rackwright: " + plain(reason) + "\nsleep 5\nexit 1\n")
}

// AutoexecScript is what iPXE 2.0 asks for beside its own file before it reads
// the script that DHCP names. It holds no secret, so TFTP serves it too.
const AutoexecScript = "#!ipxe\nifconf -c dhcp && isset ${filename} && chain --replace ${filename} ||\nexit 1\n"

// plain keeps record text from becoming script syntax.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune("$\\|&{}", r) {
			return '_'
		}
		return r
	}, text)
}
