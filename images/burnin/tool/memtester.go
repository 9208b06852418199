package tool

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"

	"github.com/rackwright/rackwright/images/burnin"
)

func memtesterCommand(h Host, t burnin.Test, _ burnin.Entity) (Command, float64, error) {
	mib, err := h.memory(t.Args["memory"])
	if err != nil {
		return Command{}, 0, err
	}
	loops := 1
	if text := t.Args["loops"]; text != "" {
		if loops, err = strconv.Atoi(text); err != nil || loops < 1 {
			return Command{}, 0, fmt.Errorf("loops %q: want a number from 1", text)
		}
	}
	return Command{Name: "memtester", Args: []string{strconv.Itoa(mib) + "M", strconv.Itoa(loops)}}, float64(mib), nil
}

var (
	memVersion = regexp.MustCompile(`(?m)^memtester version (\S+)`)
	memGot     = regexp.MustCompile(`(?m)^got +(\d+)MB \((\d+) bytes\)(.*)$`)
	memLoop    = regexp.MustCompile(`(?m)^Loop (\d+)(?:/(\d+))?:`)
	memTest    = regexp.MustCompile(`^  (\S[^:]*?) *: .*?(ok|FAILURE: .*)? *$`)
	memDone    = regexp.MustCompile(`(?m)^Done\.$`)
)

// Memtester reads the output of memtester 4.x, back-spaces and all. Planned is
// MiB. Every test line must end in ok or FAILURE, every loop must be complete.
func Memtester(in Input) (Reading, error) {
	const name = "memtester"
	if len(bytes.TrimSpace(in.Stdout)) == 0 {
		return Reading{}, fmt.Errorf("%s: %w", name, errEmpty)
	}
	text := append(erase(in.Stdout), '\n')
	text = append(text, erase(in.Stderr)...)
	var r Reading
	if m := memVersion.FindSubmatch(text); m != nil {
		r.Version = string(m[1])
	}
	ok, failures, open := 0, bytes.Count(text, []byte("FAILURE:")), 0
	for line := range bytes.Lines(text) {
		if m := memTest.FindSubmatch(bytes.TrimRight(line, "\n")); m != nil {
			switch {
			case string(m[2]) == "ok":
				ok++
			case len(m[2]) == 0:
				open++
			}
		}
	}
	r.add("failures", "count", node(), float64(failures))
	r.add("tests_ok", "count", node(), float64(ok))
	loops := memLoop.FindAllSubmatch(text, -1)
	got := memGot.FindAllSubmatch(text, -1)
	if len(got) == 0 || len(loops) == 0 || in.Planned <= 0 {
		return r, wrong(name, "no memory line or no loop in %d bytes", len(text))
	}
	last := got[len(got)-1] // it asks for less when it gets less
	size, err := strconv.ParseFloat(string(last[2]), 64)
	if err != nil {
		return r, wrong(name, "memory %q", last[2])
	}
	r.add("loops", "count", node(), float64(len(loops)))
	r.add("memory_mib", "MiB", node(), size/(1<<20))
	r.add("memory_fraction", "fraction", node(), size/(1<<20)/in.Planned)
	r.add("locked", "bool", node(), boolean(bytes.Contains(last[3], []byte("locked."))))
	want := string(loops[len(loops)-1][2])
	if failures == 0 && (open > 0 || len(memDone.FindAll(text, -1)) != 1 || want != strconv.Itoa(len(loops))) {
		return r, wrong(name, "cut: %d open tests, %d of %s loops", open, len(loops), want)
	}
	return r, nil
}

// erase applies back-spaces within a line, as a terminal would.
func erase(b []byte) []byte {
	out := make([]byte, 0, len(b)/4)
	for _, c := range b {
		switch {
		case c == '\b' && len(out) > 0 && out[len(out)-1] != '\n':
			out = out[:len(out)-1]
		case c == '\b' || c == '\r':
		default:
			out = append(out, c)
		}
	}
	return out
}
