package tool

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// ToolCheck is the result of starting one packed tool once.
type ToolCheck struct {
	Tool    string           `json:"tool"`
	OK      bool             `json:"ok"`
	Version string           `json:"version,omitempty"`
	Digest  inventory.Digest `json:"digest,omitempty"`
	Exit    int              `json:"exit"`
	Error   string           `json:"error,omitempty"`
}

// selfTests start each tool in the smallest way that still loads its libraries;
// the pattern must be in what it prints.
var selfTests = []struct {
	name    string
	args    []string
	pattern *regexp.Regexp
}{
	{"stress-ng", []string{"--version"}, regexp.MustCompile(`stress-ng, version (\S+)`)},
	{"stressapptest", []string{"-M", "8", "-s", "1", "-m", "1"}, regexp.MustCompile(`SAT revision (\S+?),`)},
	{"memtester", []string{"1M", "1"}, regexp.MustCompile(`memtester version (\S+)`)},
	{"fio", []string{"--version"}, regexp.MustCompile(`fio-(\S+)`)},
	{"iperf3", []string{"--version"}, regexp.MustCompile(`iperf (\S+)`)},
	{"nvme", []string{"version"}, regexp.MustCompile(`nvme version (\S+)`)},
	{"smartctl", []string{"--version"}, regexp.MustCompile(`smartctl (\S+)`)},
	{"dmidecode", []string{"--version"}, regexp.MustCompile(`(?m)^(\d+\.\d+)$`)},
	{"ethtool", []string{"--version"}, regexp.MustCompile(`ethtool version (\S+)`)},
	{"busybox", nil, regexp.MustCompile(`BusyBox v(\S+)`)}, // the DHCP client
	{"lspci", []string{"--version"}, regexp.MustCompile(`lspci version (\S+)`)},
}

// SelfTest starts every packed tool once. An image with a tool that cannot
// start must not be used.
func SelfTest(ctx context.Context, s Starter) []ToolCheck {
	var out []ToolCheck
	for _, t := range selfTests {
		got := s.Start(ctx, Command{Name: t.name, Args: t.args, Timeout: time.Minute})
		c := ToolCheck{Tool: t.name, Digest: got.Digest, Exit: got.Exit, Error: got.Error}
		m := t.pattern.FindSubmatch(append(append([]byte{}, got.Stdout...), got.Stderr...))
		if m != nil {
			c.Version = string(m[1])
		}
		switch {
		case got.Missing:
			c.Error = "it is not in the image"
		case got.TimedOut || got.Signal != "":
			c.Error = "it did not end by itself: " + got.Signal
		case got.Error == "" && (m == nil || got.Exit != 0):
			c.Error = "it ended with " + strings.TrimSpace(firstLine(got.Stderr))
		}
		c.OK = c.Error == ""
		out = append(out, c)
	}
	return out
}

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	if line == "" {
		return "nothing printed"
	}
	return line[:min(len(line), 200)]
}
