package tool

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rackwright/rackwright/images/burnin"
)

// sample reads a capture in place; the folder is not part of the repository.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "..", "shared", "samples", "burnin")
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		t.Skipf("no captures: %s does not exist", dir)
	}
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func stress(id string) burnin.Entity { return burnin.Entity{Kind: burnin.EntityStressor, ID: id} }
func disk(id string) burnin.Entity   { return burnin.Entity{Kind: burnin.EntityDrive, ID: id} }

func valueOf(r Reading, metric string, e burnin.Entity) (float64, bool) {
	for _, v := range r.Values {
		if v.Metric == metric && v.Entity == e {
			return v.Value, true
		}
	}
	return 0, false
}

type want struct {
	metric string
	entity burnin.Entity
	value  float64
}

// TestCaptures reads real output of each tool and states what must come out.
func TestCaptures(t *testing.T) {
	for _, c := range []struct {
		name, stdout, stderr, file string
		parse                      func(Input) (Reading, error)
		target                     burnin.Entity
		planned                    float64
		version, fault             string
		want                       []want
	}{
		{name: "stress-ng pass", file: "generated/stress-ng.pass.yaml", stderr: "generated/stress-ng.pass.stderr", parse: StressNG, planned: 2, version: "0.15.06",
			want: []want{{"verify_failures", node(), 0}, {"skipped", node(), 0}, {"bogo_ops", stress("cpu"), 3411}, {"bogo_ops", stress("vm"), 13168}, {"bogo_ops_rate", stress("cpu"), 426.26263}}},
		{name: "stress-ng zero work, rc 0", file: "generated/stress-ng.ZERO-BOGO-OPS-rc0.yaml", stderr: "generated/stress-ng.ZERO-BOGO-OPS-rc0.stderr", parse: StressNG, planned: 1, version: "0.15.06",
			want: []want{{"bogo_ops", stress("vm"), 0}}},
		{name: "stress-ng 0.17", file: "stress-ng/trn1.32xlarge.stderr", stderr: "generated/stress-ng.pass.stderr", parse: StressNG, planned: 1, version: "0.17.08",
			want: []want{{"bogo_ops", stress("cpu"), 2475813}}},
		{name: "stress-ng without log", file: "generated/stress-ng.pass.yaml", parse: StressNG, planned: 2, version: "0.15.06", fault: "how the run ended"},
		{name: "stress-ng bad argument", stderr: "generated/stress-ng.badarg.stderr", parse: StressNG, fault: "metrics file: the tool printed nothing"},
		{name: "stress-ng unknown stressor", stderr: "generated/stress-ng.unknown-stressor.stderr", parse: StressNG, fault: "printed nothing"},
		{name: "stressapptest pass", stdout: "generated/stressapptest.pass.txt", parse: Stressapptest, planned: 256, version: "1.0.6_autoconf",
			want: []want{{"passed", node(), 1}, {"hardware_incidents", node(), 0}, {"errors", node(), 0}, {"memory_fraction", node(), 1}, {"copied_mib", node(), 104508}}},
		{name: "stressapptest fail", stdout: "generated/stressapptest.fail.txt", parse: Stressapptest, planned: 128, version: "1.0.6_autoconf",
			want: []want{{"passed", node(), 0}, {"hardware_incidents", node(), 1}, {"errors", node(), 0}}},
		{name: "fio verify pass", stdout: "generated/fio.verify-pass.json", parse: Fio, target: disk("S1"), planned: 128 << 20, version: "3.33", fault: "which is no device",
			want: []want{{"errors", disk("S1"), 0}, {"io_bytes", disk("S1"), 128 << 20}, {"io_fraction", disk("S1"), 1}}},
		{name: "fio verify fail", stdout: "generated/fio.verify-FAIL.json", stderr: "generated/fio.verify-FAIL.stderr", parse: Fio, target: disk("S1"), planned: 64 << 20, version: "3.33", fault: "no device",
			want: []want{{"errors", disk("S1"), 1}}},
		{name: "fio on an absent device", stdout: "generated/fio.missing-device-FALSE-PASS-rc0.json", parse: Fio, target: disk("S1"), planned: 1 << 20, version: "3.33", fault: "\"/nonexistent/dev\", which is no device"},
		{name: "fio medium error", stdout: "generated-qemu/fio-nvme.EIO.rc1.txt", parse: Fio, target: disk("SMBAD1"), planned: 8 << 20, version: "3.33",
			want: []want{{"errors", disk("SMBAD1"), 1}, {"io_fraction", disk("SMBAD1"), 0.25}}},
		{name: "smartctl nvme", stdout: "generated-qemu/smartctl-nvme.ok.rc0.json", parse: Smartctl, target: disk("SMOK01"), version: "7.3",
			want: []want{{"healthy", disk("SMOK01"), 1}, {"critical_warning", disk("SMOK01"), 0}, {"media_errors", disk("SMOK01"), 0}, {"drive_temp", disk("SMOK01"), 50}}},
		{name: "smartctl warning", stdout: "generated-qemu/smartctl-nvme.critical-warning.rc8.json", parse: Smartctl, target: disk("SMOK01"), version: "7.3",
			want: []want{{"healthy", disk("SMOK01"), 0}, {"critical_warning", disk("SMOK01"), 4}}},
		{name: "smartctl of another drive", stdout: "generated-qemu/smartctl-nvme.ok.rc0.json", parse: Smartctl, target: disk("OTHER1"), version: "7.3", fault: "asked for serial OTHER1"},
		{name: "smartctl unsupported", stdout: "generated/smartctl.virtio-unsupported.json", parse: Smartctl, target: disk("S1"), version: "7.3", fault: "tells no health"},
		{name: "iperf3", stdout: "generated/iperf3.tcp.json", parse: Iperf3, version: "3.12",
			want: []want{{"errors", node(), 0}, {"sent_bytes", node(), 5826150400}, {"received_bytes", node(), 5826150400}, {"retransmits", node(), 9}}},
		{name: "iperf3 refused", stdout: "generated/iperf3.refused-FAIL.json", parse: Iperf3, version: "3.12", fault: "Connection refused"},
		{name: "memtester", stdout: "generated/memtester.pass.txt", parse: Memtester, planned: 16, version: "4.6.0",
			want: []want{{"failures", node(), 0}, {"loops", node(), 1}, {"locked", node(), 1}, {"memory_fraction", node(), 1}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := Input{Target: c.target, Planned: c.planned}
			for _, f := range []struct {
				name string
				to   *[]byte
			}{{c.stdout, &in.Stdout}, {c.stderr, &in.Stderr}, {c.file, &in.File}} {
				if f.name != "" {
					*f.to = sample(t, f.name)
				}
			}
			r, err := c.parse(in)
			if c.fault == "" && err != nil || c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)) {
				t.Errorf("fault %v, want %q", err, c.fault)
			}
			if r.Version != c.version {
				t.Errorf("version %q, want %q", r.Version, c.version)
			}
			for _, w := range c.want {
				if v, ok := valueOf(r, w.metric, w.entity); !ok || v < w.value-1e-4 || v > w.value+1e-4 {
					t.Errorf("%s of %s: %v %t, want %v", w.metric, w.entity, v, ok, w.value)
				}
			}
			unitsAreDeclared(t, r)
		})
	}
}

// unitsAreDeclared: whatever a parser yields stands in the closed table.
func unitsAreDeclared(t *testing.T, r Reading) {
	t.Helper()
	for _, v := range r.Values {
		found := false
		for _, spec := range burnin.Tools() {
			if m, ok := spec.Metrics[v.Metric]; ok && m.Unit == v.Unit && m.Per == v.Entity.Kind {
				found = true
			}
		}
		if !found {
			t.Errorf("%s in %q of %q is in no row of the table", v.Metric, v.Unit, v.Entity.Kind)
		}
	}
}

func TestMemtesterCountsTests(t *testing.T) {
	r, err := Memtester(Input{Captured: Captured{Stdout: sample(t, "generated/memtester.pass.txt")}, Planned: 16})
	if n, _ := valueOf(r, "tests_ok", node()); err != nil || n < 15 {
		t.Errorf("%v tests, %v", n, err)
	}
}

func TestDmidecodeCapture(t *testing.T) {
	list, err := Dmidecode(sample(t, "inventory/h100x8.dmidecode.txt"))
	if err != nil || len(list) != 452 {
		t.Fatalf("%d structures, %v; the capture says 452", len(list), err)
	}
	dimms, serials := 0, 0
	for _, c := range DMIComponents(list) {
		if c.Kind == "dimm" {
			dimms++
			if c.SizeMiB != 16384 {
				t.Errorf("%s has %d MiB", c.Key, c.SizeMiB)
			}
		}
		if c.Serial == "Not Specified" {
			serials++
		}
	}
	if dimms < 100 || serials > 0 {
		t.Errorf("%d DIMMs, %d serials that are none", dimms, serials)
	}
	if _, err := Dmidecode(sample(t, "generated/dmidecode.none.txt")); err == nil {
		t.Error("a machine without SMBIOS was read")
	}
}

// TestKernelCaptures counts the classes in real kernel logs.
func TestKernelCaptures(t *testing.T) {
	for file, want := range map[string]map[burnin.KernelClass]int{
		"generated-qemu/dmesg.mce-aer-nvme-eio.txt": {burnin.KernelIO: 2},
		"generated-qemu/serial.mce-panic.txt":       {burnin.KernelHardware: 5, burnin.KernelOops: 1},
		"generated-qemu/serial.kernel-panic.txt":    {burnin.KernelOops: 1},
		"kmsg/dmesg-with-xid-119.log":               {burnin.KernelXID: 1},
	} {
		got := map[burnin.KernelClass]int{}
		for line := range strings.Lines(string(sample(t, file))) {
			_, text, _ := strings.Cut(line, "] ")
			if c, ok := Classify(strings.TrimSpace(text)); ok {
				got[c]++
			}
		}
		for c, n := range want {
			if got[c] < n {
				t.Errorf("%s: %d of class %s, want at least %d (%v)", file, got[c], c, n, got)
			}
		}
		for c := range got {
			if _, ok := want[c]; !ok {
				t.Errorf("%s: class %s does not belong there (%v)", file, c, got)
			}
		}
	}
}
