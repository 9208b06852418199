package pxe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// Programs are the boot programs by name: small files, held in memory. They
// come from packages or from the operator, never from this repository.
type Programs struct{ files map[string]program }

type program struct {
	data   []byte
	digest inventory.Digest
}

// maxProgram is far above any boot program and far below an image.
const maxProgram = 64 << 20

// NewPrograms takes programs by name. "autoexec.ipxe" is ours.
func NewPrograms(files map[string][]byte) Programs {
	p := Programs{files: map[string]program{}}
	for name, data := range files {
		p.files[name] = program{data: data, digest: inventory.DigestOf(data)}
	}
	p.files[autoexec] = program{data: []byte(AutoexecScript), digest: inventory.DigestOf([]byte(AutoexecScript))}
	return p
}

const autoexec = "autoexec.ipxe"

// LoadPrograms reads the named files of a directory, for example Debian's
// /usr/lib/ipxe. A name that is not there is left out: machines that need it
// are never told of it. Anything else that cannot be read is an error.
func LoadPrograms(dir string, names ...string) (Programs, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Programs{}, fmt.Errorf("boot programs: %w", err)
	}
	defer root.Close()
	files := map[string][]byte{}
	for _, name := range names {
		f, err := root.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil { // Debian's ipxe.efi and ipxe.lkrn are links into /boot
			return Programs{}, fmt.Errorf("boot program %s in %s: %w; a link out of the folder is not followed, copy the file into it", name, dir, err)
		}
		data, err := io.ReadAll(io.LimitReader(f, maxProgram+1))
		if err = errors.Join(err, f.Close()); err != nil {
			return Programs{}, fmt.Errorf("boot program %s: %w", name, err)
		}
		if len(data) == 0 || len(data) > maxProgram {
			return Programs{}, fmt.Errorf("boot program %s: %d bytes: want 1 to %d", name, len(data), maxProgram)
		}
		files[name] = data
	}
	return NewPrograms(files), nil
}

// open finds a program by the name a client sent. Names are keys of a map: no
// spelling of a path leads anywhere else.
func (p Programs) open(name string) (*bytes.Reader, bool) {
	f, ok := p.files[strings.TrimPrefix(strings.ReplaceAll(name, `\`, "/"), "/")]
	return bytes.NewReader(f.data), ok
}
