package burnin

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/rackwright/rackwright/inventory"
)

// ErrSpoolFull: the server has been away for too long; the run stops.
var ErrSpoolFull = errors.New("sample spool is full")

// maxSpool bounds the spool: it lies on a RAM disk, never on a drive under test.
const maxSpool = 64 << 20

// ticket is what an agent needs to go on after its own restart in one boot.
type ticket struct {
	BootID     string     `json:"bootId"`
	Credential string     `json:"credential"`
	Assignment Assignment `json:"assignment"`
}

// spool keeps the samples of one run until the server has them: a file of JSON
// lines, one per sample, and the ticket beside it. It is the one place that
// gives numbers.
type spool struct {
	mu    sync.Mutex
	dir   string
	file  *os.File
	lines [][]byte // encoded samples from first on
	first uint64   // number of lines[0]
	bytes int
	grown chan struct{} // closed and replaced at every append
	done  bool          // the end is in
}

// openSpool opens or creates the spool; what is left of an earlier process of
// this boot is read back. A last line that was cut is dropped: it was never sent.
func openSpool(dir string) (*spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "samples.jsonl"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	s := &spool{dir: dir, file: f, first: 1, grown: make(chan struct{})}
	if err := s.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("spool: %w", err), f.Close())
	}
	return s, nil
}

func (s *spool) load() error {
	r, good := bufio.NewReader(s.file), int64(0)
	for {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		var sample Sample
		if err := json.Unmarshal(line, &sample); err != nil {
			return fmt.Errorf("line %d: %w", len(s.lines)+1, err)
		}
		if len(s.lines) == 0 {
			s.first = sample.Seq
		}
		if sample.Seq != s.next() {
			return fmt.Errorf("sample %d stands at the place of %d", sample.Seq, s.next())
		}
		s.lines, s.bytes, good = append(s.lines, line[:len(line)-1]), s.bytes+len(line), good+int64(len(line))
		s.done = s.done || sample.Kind == SampleEnd
	}
	if err := s.file.Truncate(good); err != nil {
		return err
	}
	_, err := s.file.Seek(good, io.SeekStart)
	return err
}

func (s *spool) next() uint64 { return s.first + uint64(len(s.lines)) }

// begin sets the first number of an empty spool.
func (s *spool) begin(next uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.lines) == 0 {
		s.first = max(next, 1)
	}
}

// add numbers a sample and keeps it. The end always fits.
func (s *spool) add(x Sample) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return nil // a heartbeat or kernel line after the end belongs to no run
	}
	x.Seq = s.next()
	line, err := json.Marshal(x)
	if err != nil {
		return fmt.Errorf("sample %d: %w", x.Seq, err)
	}
	if s.bytes+len(line) > maxSpool && x.Kind != SampleEnd {
		return ErrSpoolFull
	}
	if _, err := s.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	s.lines, s.bytes, s.done = append(s.lines, line), s.bytes+len(line)+1, x.Kind == SampleEnd
	close(s.grown)
	s.grown = make(chan struct{})
	return nil
}

// batch cuts the next batch from a number on, at most size bytes but at least
// one sample. ok is false when there is nothing yet; wait then tells of more.
func (s *spool) batch(run inventory.RunID, from uint64, size int, simulated bool) (b Batch, ok bool, wait <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if from < s.first || from > s.next() {
		return Batch{}, false, nil, fmt.Errorf("the server wants sample %d, the spool holds %d to %d", from, s.first, s.next()-1)
	}
	b = Batch{Run: run, From: from, Simulated: simulated}
	for total, i := 0, from-s.first; i < uint64(len(s.lines)); i++ {
		if total += len(s.lines[i]); total > size && len(b.Samples) > 0 {
			break
		}
		var x Sample
		if err := json.Unmarshal(s.lines[i], &x); err != nil {
			return Batch{}, false, nil, fmt.Errorf("spool: %w", err)
		}
		b.Samples = append(b.Samples, x)
	}
	b.To = from + uint64(len(b.Samples)) - 1
	return b, len(b.Samples) > 0, s.grown, nil
}

// ended reports whether everything up to the end was acknowledged.
func (s *spool) ended(next uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done && next == s.next()
}

// past lists the samples an earlier process of this boot left.
func (s *spool) past() ([]Sample, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Sample, len(s.lines))
	for i, l := range s.lines {
		if err := json.Unmarshal(l, &out[i]); err != nil {
			return nil, fmt.Errorf("spool: %w", err)
		}
	}
	return out, nil
}

func (s *spool) close() error { return s.file.Close() }

// saveTicket writes the credential by rename, so that it is whole or absent.
func (s *spool) saveTicket(t ticket) error {
	b, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("ticket: %w", err)
	}
	tmp := filepath.Join(s.dir, "ticket.new")
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return fmt.Errorf("ticket: %w", err)
	}
	if err := os.Rename(tmp, filepath.Join(s.dir, "ticket.json")); err != nil {
		return fmt.Errorf("ticket: %w", err)
	}
	return nil
}

// loadTicket returns the ticket of this boot, or false.
func (s *spool) loadTicket(boot string) (ticket, bool, error) {
	b, err := os.ReadFile(filepath.Join(s.dir, "ticket.json"))
	if errors.Is(err, os.ErrNotExist) {
		return ticket{}, false, nil
	}
	var t ticket
	if err == nil {
		err = json.Unmarshal(b, &t)
	}
	if err != nil {
		return ticket{}, false, fmt.Errorf("ticket: %w", err)
	}
	return t, t.BootID == boot, nil
}
