package bmcsim

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"
)

// magic is the first line of a payload.
const magic = "RACKWRIGHT-SIMULATED-FIRMWARE 1"

// Payload returns a firmware image of 64 KiB for the components that a glob names,
// such as HGX_FW_GPU_*.
func Payload(target, version string) []byte { return Bundle(64<<10, target, version) }

// Bundle returns an image with size bytes of filler for several components:
// target, version, target, version, … Two images of equal content are equal.
func Bundle(size int, pairs ...string) []byte {
	if len(pairs) == 0 || len(pairs)%2 != 0 {
		panic("bmcsim: Bundle needs pairs of target and version")
	}
	filler := make([]byte, 0, size)
	block := sha256.Sum256([]byte(strings.Join(pairs, "\x00")))
	for len(filler) < size {
		filler = append(filler, block[:min(len(block), size-len(filler))]...)
		block = sha256.Sum256(block[:])
	}
	var b bytes.Buffer
	fmt.Fprintln(&b, magic)
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(&b, "component: %s %s\n", pairs[i], pairs[i+1])
	}
	sum := sha256.Sum256(filler)
	fmt.Fprintf(&b, "size: %d\nsha256: %s\n\n", size, hex.EncodeToString(sum[:]))
	b.Write(filler)
	return b.Bytes()
}

// image is a payload that was read to its end and is sound.
type image struct {
	pairs  [][2]string // target glob, version
	digest string      // of all bytes, sha256:hex
}

// errCorrupt marks a payload that is complete as HTTP but not an image.
var errCorrupt = errors.New("corrupt firmware image")

// readImage reads and checks a payload without keeping it. Errors of the reader
// come back as they are; everything else is errCorrupt.
func readImage(r io.Reader) (image, error) {
	whole := sha256.New()
	br := bufio.NewReaderSize(io.TeeReader(r, whole), 4096)
	var img image
	size, want, err := img.header(br)
	if err != nil {
		_, drain := io.Copy(io.Discard, br) // an early refusal still takes the rest: the client reads our answer
		return image{}, errors.Join(err, drain)
	}
	filler := sha256.New()
	n, err := io.Copy(filler, br)
	switch {
	case err != nil:
		return image{}, err
	case n != size:
		return image{}, fmt.Errorf("%w: %d bytes of filler instead of %d", errCorrupt, n, size)
	case sum(filler) != want:
		return image{}, fmt.Errorf("%w: filler has another sha256 than the header says", errCorrupt)
	}
	img.digest = "sha256:" + sum(whole)
	return img, nil
}

func sum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

func (img *image) header(br *bufio.Reader) (size int64, want string, err error) {
	size = -1
	for n := 0; ; n++ {
		raw, err := br.ReadSlice('\n')
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
			return 0, "", err
		}
		line := string(raw)
		if err != nil || n > 1000 || n == 0 && line != magic+"\n" {
			return 0, "", fmt.Errorf("%w: no complete header: the first line must be %q", errCorrupt, magic)
		}
		if line == "\n" {
			break
		}
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch key {
		case "component":
			target, version, ok := strings.Cut(value, " ")
			if !ok || target == "" || version == "" {
				return 0, "", fmt.Errorf("%w: component line %q", errCorrupt, value)
			}
			img.pairs = append(img.pairs, [2]string{target, version})
		case "size":
			if size, err = strconv.ParseInt(value, 10, 64); err != nil {
				return 0, "", fmt.Errorf("%w: size %q", errCorrupt, value)
			}
		case "sha256":
			want = value
		}
	}
	if len(img.pairs) == 0 || size < 0 || want == "" {
		return 0, "", fmt.Errorf("%w: header without component, size or sha256", errCorrupt)
	}
	return size, want, nil
}
