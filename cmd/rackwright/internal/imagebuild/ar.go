package imagebuild

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// arMagic begins every ar archive (ar(5)).
const arMagic = "!<arch>\n"

// arReader reads the common ar format that .deb files use: no long names. Our
// own few lines: the library at hand panics on a broken header.
type arReader struct {
	r     io.Reader
	body  *io.LimitedReader // of the current member
	odd   bool              // it is followed by a padding byte
	begun bool
}

// next skips to the next member and returns its name; io.EOF at the end.
func (a *arReader) next() (string, error) {
	if !a.begun {
		magic := make([]byte, len(arMagic))
		if _, err := io.ReadFull(a.r, magic); err != nil || string(magic) != arMagic {
			return "", errors.New("it does not begin as an ar archive")
		}
		a.begun = true
	}
	if a.body != nil {
		if n, err := io.Copy(io.Discard, a.body); err != nil || a.body.N > 0 {
			return "", fmt.Errorf("a member is cut by %d bytes: %w", a.body.N, errors.Join(err, io.ErrUnexpectedEOF))
		} else if a.odd {
			if _, err := io.CopyN(io.Discard, a.r, 1); err != nil && !errors.Is(err, io.EOF) {
				return "", fmt.Errorf("after %d bytes: %w", n, err)
			}
		}
	}
	head := make([]byte, 60)
	if _, err := io.ReadFull(a.r, head); err != nil {
		return "", err // io.EOF where the archive ends
	}
	size, err := strconv.ParseInt(strings.TrimSpace(string(head[48:58])), 10, 64)
	if err != nil || size < 0 || string(head[58:]) != "`\n" {
		return "", fmt.Errorf("member header %q", head)
	}
	a.body, a.odd = &io.LimitedReader{R: a.r, N: size}, size%2 == 1
	return strings.TrimSuffix(strings.TrimSpace(string(head[:16])), "/"), nil
}

// Read implements io.Reader for the current member.
func (a *arReader) Read(b []byte) (int, error) { return a.body.Read(b) }
