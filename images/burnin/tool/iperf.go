package tool

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/rackwright/rackwright/images/burnin"
)

func iperf3Command(_ Host, t burnin.Test, _ burnin.Entity) (Command, float64, error) {
	host := t.Args["host"]
	if host == "" || strings.HasPrefix(host, "-") {
		return Command{}, 0, fmt.Errorf("iperf3 needs the argument host")
	}
	args := []string{"-J", "-c", host, "-t", strconv.Itoa(max(1, int(t.Duration.D().Seconds())))}
	for _, a := range [][2]string{{"port", "-p"}, {"streams", "-P"}} {
		if v := t.Args[a[0]]; v != "" {
			if _, err := strconv.Atoi(v); err != nil {
				return Command{}, 0, fmt.Errorf("iperf3 %s %q: want a number", a[0], v)
			}
			args = append(args, a[1], v)
		}
	}
	return Command{Name: "iperf3", Args: args}, 0, nil
}

type iperfSum struct {
	Bytes       *float64 `json:"bytes"`
	Rate        *float64 `json:"bits_per_second"`
	Retransmits float64  `json:"retransmits"`
}

// Iperf3 reads iperf3 -J of a client. A refused connection is JSON with an
// error and no sums, and ends with rc 1.
func Iperf3(in Input) (Reading, error) {
	const name = "iperf3"
	var out struct {
		Start struct {
			Version string `json:"version"`
		} `json:"start"`
		End struct {
			Sent     *iperfSum `json:"sum_sent"`
			Received *iperfSum `json:"sum_received"`
		} `json:"end"`
		Error string `json:"error"`
	}
	if err := object(name, in.Stdout, "start", &out); err != nil {
		return Reading{}, err
	}
	r := Reading{Version: strings.TrimPrefix(out.Start.Version, "iperf ")}
	if out.Error != "" {
		return r, wrong(name, "%s", out.Error)
	}
	s, v := out.End.Sent, out.End.Received
	if s == nil || v == nil || s.Bytes == nil || v.Bytes == nil || v.Rate == nil {
		return r, wrong(name, "no sums of both ends")
	}
	r.add("errors", "count", node(), 0)
	r.add("sent_bytes", "B", node(), *s.Bytes)
	r.add("received_bytes", "B", node(), *v.Bytes)
	r.add("received_rate", "bit/s", node(), *v.Rate)
	r.add("retransmits", "count", node(), s.Retransmits)
	return r, nil
}
