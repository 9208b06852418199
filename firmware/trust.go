package firmware

import (
	"encoding/base64"
	"fmt"

	"aead.dev/minisign"

	"github.com/rackwright/rackwright/inventory"
)

// CheckSignature checks a baseline's detached minisign signature (the text of
// the .minisig file, in base64) against the keys the site trusts. Without any
// trusted key every baseline is refused: an unsigned one could flash a hall.
func CheckSignature(document []byte, signature string, trusted []minisign.PublicKey) error {
	if len(trusted) == 0 {
		return fmt.Errorf("this site trusts no baseline key; set firmware.keys to the minisign public keys of who writes baselines: %w", inventory.ErrDenied)
	}
	if signature == "" {
		return fmt.Errorf("the baseline has no signature; sign it with minisign and give the .minisig file: %w", inventory.ErrDenied)
	}
	text, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return fmt.Errorf("the signature is no base64: %w", inventory.ErrInvalid)
	}
	for _, key := range trusted {
		if minisign.Verify(key, document, text) {
			return nil
		}
	}
	return fmt.Errorf("no trusted key signed this baseline, or it was changed after signing: %w", inventory.ErrDenied)
}
