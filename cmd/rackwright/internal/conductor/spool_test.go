package conductor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/redfish"
)

// TestSpool: a spool is whole or absent, and says when it cannot be written.
func TestSpool(t *testing.T) {
	dir := t.TempDir()
	p := spool(filepath.Join(dir, "leaks"))
	if list, err := p.load(); len(list) != 0 || err != nil {
		t.Fatalf("nothing yet: %d, %v", len(list), err)
	}
	if err := p.reserve(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(p.room()); err != nil || info.Size() != spoolRoom {
		t.Fatalf("no room is kept: %v", err)
	}
	on, at := inventory.NodeSubject("n"), time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	want := []*due{latchDue(on, at, "leak: /L; "+underWay), leakDue(on, at, found{result: inventory.ResultFail, detail: "leak /L"}, redfish.Sensed{Alarms: wetAlarm, Detectors: 3})}
	if err := p.save(want); err != nil {
		t.Fatal(err)
	}
	list, err := p.load()
	if err != nil || len(list) != 2 {
		t.Fatalf("%d, %v", len(list), err)
	}
	if l, e := list[0], list[1]; l.Latch != want[0].Latch || l.ID != want[0].ID || l.On != on || e.Latch != "" || !e.At.Equal(at) || e.Read.Alarms[0] != wetAlarm[0] || e.Read.Detectors != 3 {
		t.Errorf("read back %+v, %+v", l, e)
	}
	if info, err := os.Stat(string(p)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := spool(filepath.Join(dir, "no", "leaks")).save(list); err == nil {
		t.Error("saved in a folder that is not there")
	}
}

// TestSpoolDamaged: what cannot be read is put aside and named; what can be is used.
func TestSpoolDamaged(t *testing.T) {
	for _, c := range []struct {
		text string
		good int
	}{
		{`[{"on":`, 0}, {`[null]`, 0}, {`[{}]`, 0}, {`{}`, 0}, {``, 0},
		{`[{"id":"a","on":{"scope":"node","id":"n"},"latch":"leak"},{"id":"b","on":{"scope":"node"},"latch":"leak"}]`, 1},
	} {
		p := spool(filepath.Join(t.TempDir(), "leaks"))
		if err := os.WriteFile(string(p), []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		list, err := p.load()
		aside, gerr := filepath.Glob(string(p) + ".bad-*")
		if gerr != nil || err == nil || len(aside) != 1 || len(list) != c.good || !strings.Contains(err.Error(), aside[0]) {
			t.Errorf("%s: %d entries, %v, put aside %q", c.text, len(list), err, aside)
		}
		if list, err := p.load(); err != nil || len(list) != 0 {
			t.Errorf("%s: again %d, %v", c.text, len(list), err)
		}
	}
}

// FuzzSpool: no bytes on disk stop the watch.
func FuzzSpool(f *testing.F) {
	f.Add([]byte(`[{"id":"a","on":{"scope":"node","id":"n"},"latch":"leak"}]`))
	f.Add([]byte(`[null]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p := spool(filepath.Join(t.TempDir(), "leaks"))
		if err := os.WriteFile(string(p), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		list, err := p.load()
		for _, d := range list {
			if !d.ok() || d.name() == "" {
				t.Errorf("%+v", d)
			}
		}
		if _, serr := os.Stat(string(p)); err != nil && serr == nil {
			t.Errorf("%v, and it lies there still", err)
		}
	})
}
