package conductor

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// spool keeps what the record has not taken on disk, so that neither a kill nor a
// record that is away loses it (lifecycle.md §11). An empty path keeps nothing.
//
// The record often does not take it because the disk is full: a second file keeps
// room for it, and gives way then. One caller at a time.
type spool string

const spoolRoom = 64 << 10

func (p spool) room() string { return string(p) + ".room" }

// load reads what an earlier process was owed. What cannot be read is put aside
// under another name, and what can be is returned.
func (p spool) load() ([]*due, error) {
	if p == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(string(p))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var all, out []*due
	if err == nil {
		err = json.Unmarshal(raw, &all)
	}
	for i, d := range all {
		if d.ok() {
			out = append(out, d)
		} else if err == nil {
			err = fmt.Errorf("entry %d names no subject or nothing to record", i+1)
		}
	}
	if err == nil {
		return out, nil
	}
	aside := p.bad()
	return out, errors.Join(fmt.Errorf("leak spool: %w; look into %s for latches that are not on record, and set them: rackwright hold", err, aside),
		os.Rename(string(p), aside))
}

func (p spool) bad() string { return fmt.Sprintf("%s.bad-%d", p, time.Now().UnixNano()) }

// aside keeps what the record will never take where a person finds it.
func (p spool) aside(d *due) (string, error) {
	if p == "" {
		return "", errors.New("this server has no file for it")
	}
	raw, err := json.MarshalIndent([]*due{d}, "", " ")
	if err != nil {
		return "", err
	}
	path := p.bad()
	return path, p.replace(path, raw)
}

// save replaces what is on disk, whole or not at all.
func (p spool) save(list []*due) error {
	if p == "" {
		return nil
	}
	if len(list) == 0 {
		if err := os.Remove(string(p)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("leak spool: %w", err)
		}
		return nil
	}
	raw, err := json.MarshalIndent(list, "", " ")
	if err != nil {
		return fmt.Errorf("leak spool: %w", err)
	}
	err = p.replace(string(p), raw)
	if (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)) && os.Remove(p.room()) == nil {
		err = p.replace(string(p), raw)
	}
	if err != nil {
		return fmt.Errorf("leak spool: %w", err)
	}
	return nil
}

// reserve keeps room on a disk that may be full when a spool is needed. The bytes
// are random: zeros take no room on a file system that compresses.
func (p spool) reserve() error {
	if p == "" {
		return nil
	}
	if info, err := os.Stat(p.room()); err == nil && info.Size() == spoolRoom {
		return nil
	}
	raw := make([]byte, spoolRoom)
	_, _ = rand.Read(raw) // never fails
	if err := p.replace(p.room(), raw); err != nil {
		return fmt.Errorf("leak spool: %w", err)
	}
	return nil
}

func (p spool) replace(path string, raw []byte) error {
	next := string(p) + ".new"
	f, err := os.OpenFile(next, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(next))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close()) // else a power cut brings the old one back
}
