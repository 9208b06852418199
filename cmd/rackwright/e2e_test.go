package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/virtualrack"
)

// story is one demo: what is wrong with the rack as delivered, and what people
// must read at the end. Each runs the whole product on loopback: manifest, dock,
// Redfish, firmware, network boot, burn-in, certificate, offline verification;
// the demo itself compares the simulated BMCs' counters with what was planned.
type story struct {
	name  string
	args  []string
	exit  int
	says  []string
	never []string
	once  []string
}

// quickStories run in every `make test`; the others with the real peers.
var quickStories = []story{
	{name: "all faults at once", args: []string{"--fault", "all"},
		says: []string{"A12-C02 (unit of C02): 1 flash (8 components), 0 cut uploads", "A12-C04 (unit of C04): 1 flash (8 components), 0 cut uploads", "simulated BMCs: 2 flashes in all",
			"rack A12 is handed_over", "verify: verified", "accelerators NOT tested", "SIMULATED", "(do not power off)"},
		once: []string{"finding missing, vendor: Reseat dimm DIMM_0", "finding swapped, technician: Exchange the units A12/C05 and A12/C06", "C07                                      triage"}},
	{name: "more bad nodes than the rack type tolerates", args: []string{"--bad", "3"}, exit: exitFindings,
		says:  []string{"blocked, vendor: Look at A12/C08: it is in triage", "rack A12 is not accepted"},
		never: []string{"is in_review", "is accepted", "verify:"}},
}

var slowStories = []story{
	{name: "a faultless rack", says: []string{"simulated BMCs: 0 flashes in all", "verify: verified"}, never: []string{"finding ", "triage"}},
	{name: string(virtualrack.FaultMissingDIMM), args: []string{"--fault", "missing-dimm"}, says: []string{"rack A12 is handed_over"}, never: []string{"C03                                      verified"},
		once: []string{"finding missing, vendor: Reseat dimm DIMM_0"}},
	{name: string(virtualrack.FaultSwapped), args: []string{"--fault", "swapped-trays"}, says: []string{"rack A12 is handed_over"}, never: []string{"finding replaced", "finding missing"},
		once: []string{"finding swapped, technician"}},
	{name: string(virtualrack.FaultOldGPU), args: []string{"--fault", "old-gpu-firmware"}, says: []string{"simulated BMCs: 1 flashes in all", "rack A12 is handed_over"}},
	{name: string(virtualrack.FaultTaskLost), args: []string{"--fault", "task-lost"}, says: []string{"simulated BMCs: 1 flashes in all", "rack A12 is handed_over"}},
	{name: string(virtualrack.FaultMemory), args: []string{"--fault", "memory"}, says: []string{"rack A12 is handed_over"}, never: []string{"C07                                      burned_in"},
		once: []string{"C07                                      triage"}},
	{name: string(virtualrack.FaultLeak), args: []string{"--fault", "leak"}, says: []string{"rack A12 is handed_over", "not handed over: C08, it stands at discovered; facilities", "(unit of C08): 1 × DGX ForceOff"}, never: []string{"C08                                      rack_tested"}},
	{name: string(virtualrack.FaultWet), args: []string{"--fault", "wet-tray"}, says: []string{"rack A12 is handed_over", "not handed over: C08, it stands at installed; facilities", "(unit of C08): 1 × DGX ForceOff"}, never: []string{"C08                                      discovered"}},
	{name: "as many bad nodes as the rack type tolerates", args: []string{"--bad", "2"}, says: []string{"rack A12 is handed_over", "verify: verified"}},
	{name: "on paper", args: []string{"--paper"}, says: []string{"rack A12 is handed_over", "verify: verified"}},
}

func TestStories(t *testing.T) { tell(t, quickStories) }

func tell(t *testing.T, stories []story) {
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
			defer cancel()
			out, err := os.Create(filepath.Join(t.TempDir(), "out"))
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			code := run(ctx, append([]string{"demo", "--quick", "--limit", "7m"}, s.args...), nil, out, out)
			said, err := os.ReadFile(out.Name())
			if err != nil {
				t.Fatal(err)
			}
			text := string(said)
			if code != s.exit {
				t.Fatalf("exit %d, want %d\n%s", code, s.exit, text)
			}
			for _, want := range s.says {
				if !strings.Contains(text, want) {
					t.Errorf("it never says %q", want)
				}
			}
			for _, bad := range s.never {
				if strings.Contains(text, bad) {
					t.Errorf("it says %q", bad)
				}
			}
			for _, want := range s.once {
				if n := strings.Count(text, want); n != 1 {
					t.Errorf("it says %q %d times, want once", want, n)
				}
			}
			if t.Failed() {
				t.Log(text)
			}
		})
	}
}
