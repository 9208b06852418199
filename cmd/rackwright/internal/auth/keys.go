package auth

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"

	"github.com/rackwright/rackwright/inventory"
)

// Keys are the site's two keys: one seals secrets, one signs certificates and
// packages. Both files are mode 0600 and are backed up apart from the record.
type Keys struct {
	Signing   ed25519.PrivateKey
	Simulated bool // a demo key: serve refuses to sign simulated evidence with any other
	seal      *age.X25519Identity
}

const (
	sealFile   = "seal.age"
	signFile   = "signing.pem"
	pemReal    = "PRIVATE KEY"
	pemDemo    = "RACKWRIGHT SIMULATED PRIVATE KEY"
	sealHeader = "# Rackwright sealing key. Back it up apart from the database; without it every BMC password is lost.\n"
)

// OpenKeys reads the keys of a directory and makes the missing ones. A key
// file that others may read is refused.
func OpenKeys(dir string, simulated bool) (*Keys, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open keys: %w", err)
	}
	k := &Keys{}
	if err := k.openSeal(filepath.Join(dir, sealFile)); err != nil {
		return nil, fmt.Errorf("open sealing key: %w", err)
	}
	if err := k.openSigning(filepath.Join(dir, signFile), simulated); err != nil {
		return nil, fmt.Errorf("open signing key: %w", err)
	}
	return k, nil
}

func (k *Keys) openSeal(path string) error {
	raw, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		id, err := age.GenerateX25519Identity()
		if err != nil {
			return err
		}
		k.seal = id
		return writePrivate(path, []byte(sealHeader+id.String()+"\n"))
	}
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(raw)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			k.seal, err = age.ParseX25519Identity(line)
			if err != nil {
				return fmt.Errorf("%s is not an age identity; restore it from its backup", path)
			}
			return nil
		}
	}
	return fmt.Errorf("%s is empty; restore it from its backup", path)
}

func (k *Keys) openSigning(path string, simulated bool) error {
	raw, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		return k.makeSigning(path, simulated)
	}
	if err != nil {
		return err
	}
	block, _ := pem.Decode(raw)
	if block == nil || block.Type != pemReal && block.Type != pemDemo {
		return fmt.Errorf("%s is not a PEM private key; restore it from its backup", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return fmt.Errorf("%s is not an ed25519 key", path)
	}
	k.Signing, k.Simulated = key, block.Type == pemDemo
	return nil
}

func (k *Keys) makeSigning(path string, simulated bool) error {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	kind := pemReal
	if simulated {
		kind = pemDemo
	}
	k.Signing, k.Simulated = key, simulated
	return writePrivate(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// Public is the key that verifies what Signing signs.
func (k *Keys) Public() ed25519.PublicKey { return k.Signing.Public().(ed25519.PublicKey) }

// Fingerprint is what a person compares on paper: SHA-256 of the public key.
func Fingerprint(key ed25519.PublicKey) inventory.Digest { return inventory.DigestOf(key) }

// Seal encrypts a secret to the site's key.
func (k *Keys) Seal(plain inventory.Secret) ([]byte, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, k.seal.Recipient())
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	if _, err := io.WriteString(w, plain.Reveal()); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return out.Bytes(), nil
}

// Derive makes a secret for one purpose from the sealing key: the same on every
// server of the site, and of no use for any other purpose (HKDF, RFC 5869).
func (k *Keys) Derive(purpose string) (inventory.Secret, error) {
	out, err := hkdf.Key(sha256.New, []byte(k.seal.String()), nil, "rackwright "+purpose, 32)
	if err != nil {
		return inventory.Secret{}, fmt.Errorf("derive the key of %s: %w", purpose, err)
	}
	return inventory.NewSecret(hex.EncodeToString(out)), nil
}

// Unseal decrypts what Seal wrote.
func (k *Keys) Unseal(sealed []byte) (inventory.Secret, error) {
	r, err := age.Decrypt(bytes.NewReader(sealed), k.seal)
	if err != nil {
		return inventory.Secret{}, fmt.Errorf("unseal: %w", err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return inventory.Secret{}, fmt.Errorf("unseal: %w", err)
	}
	return inventory.NewSecret(string(plain)), nil
}

func readPrivate(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others (mode %04o); run chmod 600 on it", path, info.Mode().Perm())
	}
	return os.ReadFile(path)
}

// writePrivate writes whole or not at all: half a key would lose every secret.
func writePrivate(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := f.Chmod(0o600); err != nil {
		return err
	}
	if _, err := f.Write(b); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
