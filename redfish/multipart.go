package redfish

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"mime/multipart"
	"net/textproto"

	"github.com/rackwright/rackwright/inventory"
)

// upload is a request body of known length, read once from the file.
type upload struct {
	io.Reader
	contentType string
	length      int64
}

var errWrongFile = errors.New("the file is not the one that was planned")

// multipartBody frames an image as DSP0266 §12.6.2 has it: UpdateParameters
// first and without a file name, then UpdateFile. Nothing but the frame is held
// in memory.
func multipartBody(params map[string]any, name string, file io.Reader, size int64) (upload, error) {
	text, err := json.Marshal(params)
	if err != nil {
		return upload{}, err
	}
	var frame bytes.Buffer
	w := multipart.NewWriter(&frame)
	part, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="UpdateParameters"`}, "Content-Type": {"application/json"}})
	if err != nil {
		return upload{}, err
	}
	if _, err := part.Write(text); err != nil {
		return upload{}, err
	}
	head := textproto.MIMEHeader{"Content-Type": {"application/octet-stream"}}
	head.Set("Content-Disposition", multipart.FileContentDisposition("UpdateFile", name))
	if _, err := w.CreatePart(head); err != nil {
		return upload{}, err
	}
	before := bytes.Clone(frame.Bytes())
	frame.Reset()
	if err := w.Close(); err != nil {
		return upload{}, err
	}
	after := frame.Bytes()
	return upload{Reader: io.MultiReader(bytes.NewReader(before), file, bytes.NewReader(after)),
		contentType: w.FormDataContentType(), length: int64(len(before)) + size + int64(len(after))}, nil
}

// hashed reads exactly size bytes and hashes them on the way. The last piece is
// held back until the digest is known: a wrong file never arrives complete.
type hashed struct {
	src  io.Reader
	left int64
	sum  hash.Hash
	want inventory.Digest // "": not checked
}

func newHashed(src io.Reader, size int64, want inventory.Digest) *hashed {
	return &hashed{src: src, left: size, sum: sha256.New(), want: want}
}

// Read implements io.Reader.
func (h *hashed) Read(p []byte) (int, error) {
	if h.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > h.left {
		p = p[:h.left]
	}
	n, err := h.src.Read(p)
	h.sum.Write(p[:n])
	h.left -= int64(n)
	if errors.Is(err, io.EOF) && h.left > 0 {
		return 0, fmt.Errorf("%w: it ends %d bytes early", errWrongFile, h.left)
	}
	if h.left == 0 {
		if got := h.digest(); h.want != "" && got != h.want {
			return 0, fmt.Errorf("%w: it is %s, planned was %s", errWrongFile, got, h.want)
		}
		return n, nil
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	return n, nil
}

func (h *hashed) digest() inventory.Digest {
	return inventory.Digest("sha256:" + hex.EncodeToString(h.sum.Sum(nil)))
}
