package tool

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/rackwright/rackwright/images/burnin"
)

func stressapptestCommand(h Host, t burnin.Test, _ burnin.Entity) (Command, float64, error) {
	mib, err := h.memory(t.Args["memory"])
	if err != nil {
		return Command{}, 0, err
	}
	args := []string{"-M", strconv.Itoa(mib), "-s", strconv.Itoa(max(1, int(t.Duration.D().Seconds())))}
	if t.Args["cpu_stress"] == "yes" {
		args = append(args, "-W")
	}
	if n := t.Args["threads"]; n != "" {
		args = append(args, "-m", n)
	}
	return Command{Name: "stressapptest", Args: args}, float64(mib), nil
}

var (
	satVersion  = regexp.MustCompile(`(?m)^(?:Stats|Log): SAT revision (\S+?),? `)
	satStarting = regexp.MustCompile(`(?m)^Stats: Starting SAT, (\d+)M, (\d+) seconds`)
	satDone     = regexp.MustCompile(`(?m)^Stats: Completed: ([0-9.]+)M in ([0-9.]+)s ([0-9.]+)MB/s, with (\d+) hardware incidents, (\d+) errors`)
	satStatus   = regexp.MustCompile(`(?m)^Status: (PASS|FAIL)\b`)
)

// Stressapptest reads the log of stressapptest 1.0.x. Planned is MiB. The
// summary line, the status line and the line that says how much memory was
// taken must be there exactly once.
func Stressapptest(in Input) (Reading, error) {
	const name = "stressapptest"
	if len(bytes.TrimSpace(in.Stdout)) == 0 {
		return Reading{}, fmt.Errorf("%s: %w", name, errEmpty)
	}
	var r Reading
	if m := satVersion.FindSubmatch(in.Stdout); m != nil {
		r.Version = string(m[1])
	}
	starting, done, status := satStarting.FindAllSubmatch(in.Stdout, -1), satDone.FindAllSubmatch(in.Stdout, -1), satStatus.FindAllSubmatch(in.Stdout, -1)
	if len(done) == 1 { // incidents count even when the rest is missing
		if v, err := floats(done[0][1:]); err == nil {
			r.add("copied_mib", "MiB", node(), v[0])
			r.add("copy_rate", "MiB/s", node(), v[2])
			r.add("hardware_incidents", "count", node(), v[3])
			r.add("errors", "count", node(), v[4])
		}
	}
	if len(starting) != 1 || len(done) != 1 || len(status) != 1 || len(r.Values) == 0 {
		return r, wrong(name, "want one start, one summary and one status line, got %d, %d and %d", len(starting), len(done), len(status))
	}
	mib, err := strconv.ParseFloat(string(starting[0][1]), 64)
	if err != nil || in.Planned <= 0 {
		return r, wrong(name, "memory %q of planned %g MiB", starting[0][1], in.Planned)
	}
	r.add("memory_mib", "MiB", node(), mib)
	r.add("memory_fraction", "fraction", node(), mib/in.Planned)
	r.add("passed", "bool", node(), boolean(string(status[0][1]) == "PASS"))
	return r, nil
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// floats reads finite, non-negative numbers.
func floats(texts [][]byte) ([]float64, error) {
	out := make([]float64, len(texts))
	for i, t := range texts {
		v, err := strconv.ParseFloat(strings.TrimSpace(string(t)), 64)
		if err != nil || !(v >= 0 && v < 1e18) {
			return nil, fmt.Errorf("number %q", t)
		}
		out[i] = v
	}
	return out, nil
}
