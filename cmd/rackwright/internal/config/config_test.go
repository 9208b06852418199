package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/config"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rackwright.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaults(t *testing.T) {
	got, err := config.Load("", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	if got.Conductor != want.Conductor || got.Management != want.Management || got.Firmware.Quiet != 15*time.Minute || got.Conductor.Lease != time.Minute || got.Conductor.Grace != 15*time.Second {
		t.Fatalf("defaults: %+v", got)
	}
}

// TestRhythm asserts the defaults of lifecycle.md §8, §9 and §12: tests and the
// demo run on shorter ones, so nothing else would notice a changed default.
func TestRhythm(t *testing.T) {
	c := config.Default()
	for name, d := range map[string][2]time.Duration{
		"conductor.lease": {c.Conductor.Lease, 60 * time.Second}, "conductor.grace": {c.Conductor.Grace, 15 * time.Second},
		"conductor.poll": {c.Conductor.Poll, time.Second}, "conductor.cut": {c.Conductor.Cut, 45 * time.Second},
		"conductor.renew": {c.Conductor.Renew, 15 * time.Second}, "conductor.margin": {c.Conductor.Margin, 30 * time.Second},
		"conductor.backoff": {c.Conductor.Backoff, 2 * time.Second}, "conductor.longest": {c.Conductor.Longest, time.Minute},
		"conductor.settle": {c.Conductor.Settle, 10 * time.Second}, "firmware.quiet": {c.Firmware.Quiet, 15 * time.Minute},
		"redfish.quiet": {c.Redfish.Quiet, 30 * time.Second}, "redfish.again": {c.Redfish.Again, time.Minute}, "redfish.look": {c.Redfish.Look, 15 * time.Minute}, "redfish.watch": {c.Redfish.Watch, 30 * time.Second},
		"burnin.heartbeat": {c.BurnIn.Heartbeat, 5 * time.Minute}, "burnin.boot": {c.BurnIn.Boot, 20 * time.Minute},
	} {
		if d[0] != d[1] {
			t.Errorf("%s is %s by default, the documents say %s", name, d[0], d[1])
		}
	}
	if c.Redfish.PerBMC != 2 || c.Conductor.Parallel != 32 {
		t.Errorf("%d requests per BMC, %d turns at once", c.Redfish.PerBMC, c.Conductor.Parallel)
	}
}

func TestOrder(t *testing.T) {
	path := write(t, "site: ams1\nmanagement: {address: \"10.0.0.1:1\"}\nconductor: {lease: 90s}\n")
	t.Setenv("RACKWRIGHT_MANAGEMENT_ADDRESS", "10.0.0.2:2")
	got, err := config.Load(path, map[string]any{"site": "fra2"})
	if err != nil {
		t.Fatal(err)
	}
	if got.Site != "fra2" || got.Management.Address != "10.0.0.2:2" || got.Conductor.Lease != 90*time.Second {
		t.Fatalf("flag over variable over file: %+v", got)
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	_, err := config.Load(write(t, "site: \"a b\"\nmanagement: {address: nowhere}\nlog: {level: loud}\nconductor: {lease: 10s}\nredfish: {watch: 1h}\n"), nil)
	if !errors.Is(err, config.ErrInvalid) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"site:", "management.address:", "log.level:", "conductor.lease:", "redfish.watch: 1h0m0s: use at most 5m0s"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not named in: %v", want, err)
		}
	}
}

func TestUnknownKey(t *testing.T) {
	_, err := config.Load(write(t, "managment: {address: \"1.2.3.4:1\"}\n"), nil)
	if err == nil || !strings.Contains(err.Error(), `unknown key "managment": is "management" meant?`) {
		t.Fatalf("got %v", err)
	}
}
