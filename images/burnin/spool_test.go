package burnin

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rackwright/rackwright/inventory"
)

func openedSpool(t *testing.T, dir string) *spool {
	t.Helper()
	s, err := openSpool(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.close() }) // a test that closed it itself closes it twice
	return s
}

// TestSpoolNumbers: numbers have no gap over restarts, a line that was cut is
// written again under its number, and batches keep to their size.
func TestSpoolNumbers(t *testing.T) {
	dir := t.TempDir()
	s := openedSpool(t, dir)
	s.begin(7)
	for range 3 {
		if err := s.add(Sample{Kind: SampleHeartbeat}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "samples.jsonl")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b[:len(b)-4], 0o600); err != nil {
		t.Fatal(err)
	}
	s = openedSpool(t, dir)
	s.begin(1) // it is not empty: the number stays
	if err := s.add(Sample{Kind: SampleEnd, End: &End{Status: EndComplete}}); err != nil {
		t.Fatal(err)
	}
	if err := s.add(Sample{Kind: SampleHeartbeat}); err != nil {
		t.Fatal(err)
	}
	all, ok, _, err := s.batch("r", 7, 1<<20, true)
	if err != nil || !ok || all.From != 7 || all.To != 9 || !all.Simulated || all.Samples[2].Kind != SampleEnd || all.Check("r") != nil {
		t.Errorf("%+v, %v", all, err)
	}
	if one, ok, _, err := s.batch("r", 8, 1, false); err != nil || !ok || one.From != 8 || one.To != 8 {
		t.Errorf("a batch of one byte: %+v, %v", one, err)
	}
	if _, ok, _, err := s.batch("r", 10, 1<<20, false); err != nil || ok {
		t.Errorf("a batch of nothing: %v", err)
	}
	if _, _, _, err := s.batch("r", 3, 1<<20, false); err == nil {
		t.Error("a number the spool never had was sent")
	}
	if s.ended(9) || !s.ended(10) {
		t.Error("the end is acknowledged by the number after it")
	}
}

// TestSpoolIsBounded: a server that is away for too long stops the run; its
// end still fits, so that the verdict is unjudged and not silence.
func TestSpoolIsBounded(t *testing.T) {
	s := openedSpool(t, t.TempDir())
	big := Sample{Kind: SampleResult, Fault: strings.Repeat("x", 8<<20)}
	var err error
	n := 0
	for ; err == nil && n < 20; n++ {
		err = s.add(big)
	}
	if !errors.Is(err, ErrSpoolFull) || n < 5 {
		t.Fatalf("after %d samples: %v", n, err)
	}
	if err := s.add(Sample{Kind: SampleEnd, End: &End{Status: EndAborted, Reason: err.Error()}}); err != nil {
		t.Errorf("the end does not fit: %v", err)
	}
}

func TestSpoolRefusesRubbish(t *testing.T) {
	for what, text := range map[string]string{"no sample": "hello\n", "number skipped": "{\"seq\":1,\"kind\":\"start\"}\n{\"seq\":3,\"kind\":\"end\"}\n"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "samples.jsonl"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := openSpool(dir); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
}

// TestTicketIsOfOneBoot: a ticket of an earlier boot is not used.
func TestTicketIsOfOneBoot(t *testing.T) {
	s := openedSpool(t, t.TempDir())
	if _, ok, err := s.loadTicket("b1"); ok || err != nil {
		t.Errorf("no ticket: %t, %v", ok, err)
	}
	if err := s.saveTicket(ticket{BootID: "b1", Credential: "c", Assignment: Assignment{Run: "r"}}); err != nil {
		t.Fatal(err)
	}
	if got, ok, err := s.loadTicket("b1"); !ok || err != nil || got.Credential != "c" {
		t.Errorf("%+v, %t, %v", got, ok, err)
	}
	if _, ok, err := s.loadTicket("b2"); ok || err != nil {
		t.Errorf("ticket of another boot: %t, %v", ok, err)
	}
}

func TestBatchRules(t *testing.T) {
	good := Batch{Run: "r", From: 4, To: 6, Samples: []Sample{{Seq: 4}, {Seq: 5}, {Seq: 6}}}
	for what, do := range map[string]func(*Batch){
		"other run":     func(b *Batch) { b.Run = "q" },
		"number zero":   func(b *Batch) { b.From = 0 },
		"backwards":     func(b *Batch) { b.To = 3 },
		"one too few":   func(b *Batch) { b.To = 7 },
		"wrong place":   func(b *Batch) { b.Samples[1].Seq = 9 },
		"two opinions":  func(b *Batch) { b.Samples[0].Start = &Start{Simulated: true} },
		"wraps around":  func(b *Batch) { b.From, b.To = 1, ^uint64(0) },
		"nothing in it": func(b *Batch) { b.Samples = nil },
	} {
		b := good
		b.Samples = append([]Sample{}, good.Samples...)
		do(&b)
		if err := b.Check("r"); !errors.Is(err, inventory.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for next, want := range map[uint64]int{4: 3, 5: 2, 6: 1, 7: 0, 99: 0} {
		if got, err := good.After(next); err != nil || len(got.Samples) != want || want > 0 && got.From != next {
			t.Errorf("after %d: %+v, %v", next, got, err)
		}
	}
	var gap *GapError
	if _, err := good.After(3); !errors.As(err, &gap) || gap.Want != 3 || !errors.Is(err, inventory.ErrConflict) {
		t.Errorf("a gap: %v", err)
	}
}
