package tool

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/rackwright/rackwright/images/burnin"
)

func fioCommand(h Host, t burnin.Test, target burnin.Entity) (Command, float64, error) {
	d, err := h.drive(target)
	if err != nil {
		return Command{}, 0, err
	}
	n := d.Bytes
	if text := t.Args["size"]; text != "" && text != "100%" {
		want, err := size(text)
		if err != nil {
			return Command{}, 0, err
		}
		n = min(n, want)
	}
	bs := t.Args["bs"]
	block, err := size(bs)
	if err != nil || n < block {
		return Command{}, 0, fmt.Errorf("block size %q of a drive with %d bytes", bs, d.Bytes)
	}
	n -= n % block
	rw := t.Args["rw"]
	args := []string{"--name=" + t.ID, "--filename=" + d.Path(), "--rw=" + rw, "--bs=" + bs, "--size=" + strconv.FormatInt(n, 10),
		"--direct=1", "--ioengine=libaio", "--iodepth=16", "--allow_file_create=0", "--output-format=json"}
	planned := float64(n)
	switch {
	case t.Destructive && t.Args["verify"] != "":
		args = append(args, "--verify="+t.Args["verify"], "--do_verify=1", "--verify_fatal=1")
		planned *= 2 // written once, read once
	case !t.Destructive:
		args = append(args, "--readonly")
	}
	return Command{Name: "fio", Args: args}, planned, nil
}

type fioOutput struct {
	Version string `json:"fio version"`
	Jobs    []struct {
		Error    *float64          `json:"error"`
		TotalErr float64           `json:"total_err"`
		Options  map[string]string `json:"job options"`
		Read     *fioDirection     `json:"read"`
		Write    *fioDirection     `json:"write"`
		Trim     *fioDirection     `json:"trim"`
	} `json:"jobs"`
}

type fioDirection struct {
	Bytes float64 `json:"io_bytes"`
	Rate  float64 `json:"bw_bytes"`
}

// Fio reads the JSON of fio 3.x for one drive. Planned is bytes. The job must
// name a device below /dev: fio on an absent path made a regular file there and
// ended with rc 0 (burnin.md §2 row 14).
func Fio(in Input) (Reading, error) {
	const name = "fio"
	var out fioOutput
	if err := object(name, in.Stdout, "jobs", &out); err != nil {
		if n := fioErrors(in); n > 0 { // it died before its report, and said why
			r := Reading{}
			r.add("errors", "count", in.Target, n)
			return r, err
		}
		return Reading{}, err
	}
	r := Reading{Version: strings.TrimPrefix(out.Version, "fio-")}
	if len(out.Jobs) != 1 || out.Jobs[0].Error == nil || out.Jobs[0].Read == nil || out.Jobs[0].Write == nil {
		return r, wrong(name, "want one job with error, read and write, got %d jobs", len(out.Jobs))
	}
	j := out.Jobs[0]
	errs := j.TotalErr
	if *j.Error != 0 {
		errs = max(errs, 1)
	}
	r.add("errors", "count", in.Target, max(errs, fioErrors(in)))
	bytes, rate := j.Read.Bytes+j.Write.Bytes, max(j.Read.Rate, j.Write.Rate)
	if bytes < 0 || rate < 0 || in.Planned <= 0 {
		return r, wrong(name, "%g bytes of %g planned", bytes, in.Planned)
	}
	r.add("io_bytes", "B", in.Target, bytes)
	r.add("io_fraction", "fraction", in.Target, bytes/in.Planned)
	r.add("rate", "B/s", in.Target, rate)
	if file := j.Options["filename"]; !strings.HasPrefix(file, "/dev/") {
		return r, wrong(name, "tested %q, which is no device", file)
	}
	return r, nil
}

// fioErrors counts the error lines on standard error and around the report.
func fioErrors(in Input) float64 {
	n := 0
	for _, text := range []string{string(in.Stderr), string(in.Stdout)} {
		n += strings.Count(text, "io_u error on file") + strings.Count(text, "verify failed at file") + strings.Count(text, "verify: bad ")
	}
	return float64(n)
}
