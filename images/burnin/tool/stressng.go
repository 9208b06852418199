package tool

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rackwright/rackwright/images/burnin"
	"github.com/rackwright/rackwright/inventory"
)

// vmWorkers share the memory of a vm stressor; --vm 0 with a part of the
// memory did nothing and ended with rc 0 (burnin.md §2 row 3).
const vmWorkers = 2

var stressors = []string{"cpu", "matrix", "vecmath", "vm", "cache", "memcpy", "stream", "crypt"}

func stressNGCommand(h Host, t burnin.Test, _ burnin.Entity) (Command, float64, error) {
	args := []string{"--verify", "--metrics", "--timeout", strconv.Itoa(max(1, int(t.Duration.D().Seconds()))) + "s", "--yaml", "metrics.yaml", "--temp-path", "."}
	n := 0
	for s := range strings.FieldsFuncSeq(t.Args["stressors"], func(r rune) bool { return r == ',' || r == ' ' }) {
		if !slices.Contains(stressors, s) {
			return Command{}, 0, fmt.Errorf("stressor %q: known are %v: %w", s, stressors, inventory.ErrInvalid)
		}
		n++
		if s != "vm" {
			args = append(args, "--"+s, "0")
			continue
		}
		mib, err := h.memory(t.Args["vm_bytes"])
		if err != nil {
			return Command{}, 0, fmt.Errorf("vm_bytes: %w", err)
		}
		args = append(args, "--vm", strconv.Itoa(vmWorkers), "--vm-bytes", strconv.Itoa(max(1, mib/vmWorkers))+"m")
	}
	if n == 0 {
		return Command{}, 0, fmt.Errorf("no stressors are named: %w", inventory.ErrInvalid)
	}
	return Command{Name: "stress-ng", Args: args, File: "metrics.yaml"}, float64(n), nil
}

var (
	ngVersion = regexp.MustCompile(`(?m)^ +stress-ng-version: (\S+)$`)
	ngField   = regexp.MustCompile(`^ +(?:- )?([a-z-]+): +(\S.*)$`)
	ngEnd     = regexp.MustCompile(`(?m)^stress-ng: info: +\[\d+\] (un)?successful run completed in `)
	ngFail    = regexp.MustCompile(`(?m)^stress-ng: (?:fail|error): +\[\d+\] `)
	ngSkip    = regexp.MustCompile(`(?m)^stress-ng: (?:info|warn|skip)[a-z]*: +\[\d+\].*(?:skipping stressor|stressor.* skipped)`)
	ngTally   = regexp.MustCompile(`(?m)^stress-ng: info: +\[\d+\] (failed|skipped|metrics untrustworthy): (\d+)`)
	ngZero    = regexp.MustCompile(`(?m)metrics-check: all bogo-op counters are zero`)
)

// StressNG reads the metrics file (--yaml) of stress-ng 0.15 and later, and the
// log on standard error. The file is not read as YAML: its date 2026:11:22 is a
// base-60 number to a YAML 1.1 reader. Planned is the number of stressors.
func StressNG(in Input) (Reading, error) {
	const name = "stress-ng"
	log := append(append([]byte{}, in.Stderr...), in.Stdout...)
	var r Reading
	failed, skipped, untrusted := len(ngFail.FindAll(log, -1)), len(ngSkip.FindAll(log, -1)), len(ngZero.FindAll(log, -1))
	for _, m := range ngTally.FindAllSubmatch(log, -1) {
		n, err := strconv.Atoi(string(m[2]))
		if err != nil {
			return r, wrong(name, "tally %q", m[0])
		}
		switch string(m[1]) {
		case "failed":
			failed = max(failed, n)
		case "skipped":
			skipped = max(skipped, n)
		default:
			untrusted = max(untrusted, n)
		}
	}
	ends := ngEnd.FindAllSubmatch(log, -1)
	for _, e := range ends {
		if len(e[1]) > 0 {
			failed = max(failed, 1)
		}
	}
	if len(ends) > 0 || failed > 0 {
		r.add("verify_failures", "count", node(), float64(failed))
		r.add("skipped", "count", node(), float64(skipped))
		r.add("untrustworthy", "count", node(), float64(untrusted))
	}
	if len(bytes.TrimSpace(in.File)) == 0 {
		return r, fmt.Errorf("%s: metrics file: %w", name, errEmpty)
	}
	if m := ngVersion.FindSubmatch(in.File); m != nil {
		r.Version = string(m[1])
	}
	if len(ends) != 1 {
		return r, wrong(name, "want one line that says how the run ended, got %d", len(ends))
	}
	return r, metrics(in, &r)
}

// metrics reads the list below "metrics:"; the file must end with "...".
func metrics(in Input, r *Reading) error {
	const name = "stress-ng"
	if !bytes.HasSuffix(bytes.TrimSpace(in.File), []byte("\n...")) || !bytes.Contains(in.File, []byte("\nmetrics:\n")) {
		return wrong(name, "metrics file is cut (%d bytes)", len(in.File))
	}
	_, list, _ := bytes.Cut(in.File, []byte("\nmetrics:\n"))
	seen, current := 0, burnin.Entity{}
	for line := range bytes.Lines(list) {
		line = bytes.TrimRight(line, "\n")
		if len(line) > 0 && line[0] != ' ' {
			break // the next section
		}
		m := ngField.FindSubmatch(line)
		if m == nil {
			continue
		}
		switch string(m[1]) {
		case "stressor":
			current = burnin.Entity{Kind: burnin.EntityStressor, ID: string(m[2])}
			seen++
		case "bogo-ops", "bogo-ops-per-second-real-time":
			v, err := floats(m[2:3])
			if err != nil || current.ID == "" {
				return wrong(name, "%s %q of %s", m[1], m[2], current)
			}
			if string(m[1]) == "bogo-ops" {
				r.add("bogo_ops", "count", current, v[0])
			} else {
				r.add("bogo_ops_rate", "1/s", current, v[0])
			}
		}
	}
	if seen == 0 {
		return wrong(name, "metrics file names no stressor")
	}
	return nil
}
