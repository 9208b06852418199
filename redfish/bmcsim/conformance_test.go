//go:build conformance

package bmcsim

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// DMTF's own tools judge the simulator. They come from PyPI, pinned, and the service
// validator reads DMTF's schema files of the shared samples, so that this runs by
// `go test -tags conformance ./redfish/bmcsim` only.
const (
	protocolValidator = "redfish-protocol-validator==1.3.2"
	serviceValidator  = "redfish-service-validator==3.1.8"
)

// shelfFailures are the deviations that the captured shelf has and the profile
// keeps: six members whose own URI is 404, counted at the member and at the link,
// and the state Standby of two Chassis.
const shelfFailures = 14

func tools(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "venv")
	run(t, "python3", "-m", "venv", dir)
	run(t, filepath.Join(dir, "bin", "pip"), "-q", "install", protocolValidator, serviceValidator)
	return filepath.Join(dir, "bin")
}

// run lets a tool fail: both exit with 1 when they find something.
func run(t *testing.T, argv ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "REQUESTS_CA_BUNDLE=", "CURL_CA_BUNDLE=")
	out, err := cmd.CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatalf("%s: %v\n%s", argv[0], err, out)
	}
	return string(out)
}

func TestConformance(t *testing.T) {
	schemas, err := filepath.Abs(filepath.Join("..", "..", "..", "shared", "samples", "redfish-schemas", "csdl"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(schemas); err != nil {
		t.Fatalf("the schema files of DMTF are missing: %v", err)
	}
	bin := tools(t)
	for _, profile := range sorted(builders()) {
		t.Run(profile, func(t *testing.T) {
			_, p := rig(t, profile, func(s *Spec) { s.Access.LockThreshold, s.Password = 0, "Passw0rd-sim" })
			login := []string{"-u", p.b.spec.User, "-p", p.b.spec.Password, "-r", p.b.URL()}
			out := run(t, append([]string{filepath.Join(bin, "rf_protocol_validator"), "--no-cert-check", "--report-dir", t.TempDir()}, login...)...)
			verdict(t, "protocol", out, regexp.MustCompile(`PASS: (\d+), WARN: \d+, FAIL: (\d+)`), 0)
			out = run(t, append([]string{filepath.Join(bin, "rf_service_validator"), "--skipschema", "--schema_directory", schemas, "--logdir", t.TempDir()}, login...)...)
			allowed := 0
			if profile == ProfileShelf {
				allowed = shelfFailures
			}
			verdict(t, "service", out, regexp.MustCompile(`\|\s+(\d+)\s+\|\s+\d+\s+\|\s+(\d+)\s+\|`), allowed)
		})
	}
}

func verdict(t *testing.T, what, out string, re *regexp.Regexp, allowed int) {
	t.Helper()
	m := re.FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("%s validator printed no summary:\n%s", what, out)
	}
	passed, err := strconv.Atoi(m[1])
	if err != nil || passed < 100 {
		t.Errorf("%s validator passed only %s checks", what, m[1])
	}
	t.Logf("%s validator: %s passed, %s failed", what, m[1], m[2])
	if failed, err := strconv.Atoi(m[2]); err != nil || failed > allowed {
		t.Errorf("%s validator: %s failures, allowed are %d\n%s", what, m[2], allowed, strings.TrimSpace(out))
	}
}
