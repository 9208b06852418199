package intake

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/rackwright/rackwright/inventory"
)

// Limits of one document (inventory.md §7).
const (
	MaxBytes = 20 << 20 // bytes of a manifest as received
	MaxRows  = 200_000  // rows, nodes and parts together
)

// readAll reads at most limit bytes; one byte more is an error that says the limit.
func readAll(r io.Reader, limit int64) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read document: %w", err)
	}
	if int64(len(raw)) > limit {
		return nil, fmt.Errorf("document is larger than %d bytes; split it: %w", limit, inventory.ErrInvalid)
	}
	return raw, nil
}

// decodeText turns UTF-8 (with or without BOM), UTF-16 and Windows-1252 into
// UTF-8. Spreadsheets on Windows still save "CSV" as Windows-1252 and "Unicode
// text" as UTF-16LE with tabs; neither says so anywhere but in its bytes.
func decodeText(raw []byte) (string, error) {
	switch {
	case bytes.HasPrefix(raw, []byte{0xEF, 0xBB, 0xBF}):
		raw = raw[3:]
		if !utf8.Valid(raw) {
			return "", fmt.Errorf("document has a UTF-8 mark but is not UTF-8; save it again as UTF-8: %w", inventory.ErrInvalid)
		}
	case bytes.HasPrefix(raw, []byte{0xFF, 0xFE}):
		return decodeUTF16(raw[2:], binary.LittleEndian)
	case bytes.HasPrefix(raw, []byte{0xFE, 0xFF}):
		return decodeUTF16(raw[2:], binary.BigEndian)
	case len(raw) >= 4 && raw[0] != 0 && raw[1] == 0 && raw[2] != 0 && raw[3] == 0:
		return decodeUTF16(raw, binary.LittleEndian)
	case len(raw) >= 4 && raw[0] == 0 && raw[1] != 0 && raw[2] == 0 && raw[3] != 0:
		return decodeUTF16(raw, binary.BigEndian)
	case !utf8.Valid(raw):
		return noNUL(decodeWindows1252(raw))
	}
	return noNUL(string(raw))
}

func noNUL(text string) (string, error) {
	if i := strings.IndexByte(text, 0); i >= 0 {
		return "", fmt.Errorf("line %d holds a NUL byte; this is no text document: %w", 1+strings.Count(text[:i], "\n"), inventory.ErrInvalid)
	}
	return text, nil
}

func decodeUTF16(raw []byte, order binary.ByteOrder) (string, error) {
	if len(raw)%2 != 0 {
		return "", fmt.Errorf("UTF-16 document ends in half a character; save it again as UTF-8: %w", inventory.ErrInvalid)
	}
	units := make([]uint16, len(raw)/2)
	for i := range units {
		units[i] = order.Uint16(raw[2*i:])
	}
	return noNUL(string(utf16.Decode(units)))
}

// windows1252 holds the characters of 0x80 to 0x9F; the rest equals Latin-1.
// The five bytes the code page leaves open map to themselves (WHATWG encoding).
const windows1252 = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ"

func decodeWindows1252(raw []byte) string {
	high := []rune(windows1252)
	var b strings.Builder
	b.Grow(len(raw) + len(raw)/8)
	for _, c := range raw {
		switch {
		case c < 0x80:
			b.WriteByte(c)
		case c < 0xA0:
			b.WriteRune(high[c-0x80])
		default:
			b.WriteRune(rune(c))
		}
	}
	return b.String()
}
