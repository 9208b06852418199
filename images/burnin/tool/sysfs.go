package tool

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/rackwright/rackwright/images/burnin"
)

const edacDir = "sys/devices/system/edac/mc"

// controllers are the memory controllers that the kernel watches.
func (h Host) controllers() []string {
	return slices.DeleteFunc(h.names(edacDir), func(n string) bool {
		rest, ok := strings.CutPrefix(n, "mc")
		_, err := strconv.Atoi(rest)
		return !ok || err != nil
	})
}

// counters reads the kernel's error counters. A controller that has no counter
// is a fault; no controller at all is zero controllers and no counter.
func (b *Box) counters() burnin.Outcome {
	out := burnin.Outcome{Exec: burnin.Exec{Accepted: true}}
	var r Reading
	list := b.Host.controllers()
	r.add("edac_controllers", "count", node(), float64(len(list)))
	var ue, ce float64
	for _, mc := range list {
		u, err1 := b.Host.number(path.Join(edacDir, mc, "ue_count"))
		c, err2 := b.Host.number(path.Join(edacDir, mc, "ce_count"))
		if err1 != nil || err2 != nil {
			out.Fault = fmt.Sprintf("counters of %s: %v %v", mc, err1, err2)
		}
		ue, ce = ue+u, ce+c
	}
	if len(list) > 0 && out.Fault == "" {
		r.add("ecc_uncorrected", "count", node(), ue)
		r.add("ecc_corrected", "count", node(), ce)
	}
	packages := b.Host.throttles(&r)
	r.add("cpu_packages", "count", node(), float64(packages))
	out.Values = r.Values
	return out
}

// throttles adds the throttle count of each package, read from its first CPU.
func (h Host) throttles(r *Reading) int {
	seen := map[string]bool{}
	for _, cpu := range h.names("sys/devices/system/cpu") {
		id := h.text(path.Join("sys/devices/system/cpu", cpu, "topology/physical_package_id"))
		if id == "" || seen[id] {
			continue
		}
		seen[id] = true
		n, err := h.number(path.Join("sys/devices/system/cpu", cpu, "thermal_throttle/package_throttle_count"))
		if err == nil { // machines without the counter stay unmeasured
			r.add("package_throttles", "count", burnin.Entity{Kind: burnin.EntityCPU, ID: id}, n)
		}
	}
	return len(seen)
}

func (h Host) number(name string) (float64, error) {
	v, err := strconv.ParseFloat(h.text(name), 64)
	if err != nil || v < 0 {
		return 0, fmt.Errorf("%s holds %q", name, h.text(name))
	}
	return v, nil
}

// tctlLimit is used for AMD's k10temp, which names no critical temperature:
// Tctl is a scale on which the chip throttles at 95 (house value).
const tctlLimit = 95

// Sensors reads the package temperatures: coretemp's "Package id N", or
// k10temp's Tctl, numbered in the order of their devices.
func (b *Box) Sensors(context.Context) ([]burnin.Value, error) {
	var r Reading
	amd := 0
	for _, hw := range b.Host.names("sys/class/hwmon") {
		dir := path.Join("sys/class/hwmon", hw)
		driver := b.Host.text(dir + "/name")
		if driver != "coretemp" && driver != "k10temp" {
			continue
		}
		for _, f := range b.Host.names(dir) {
			prefix, ok := strings.CutSuffix(f, "_label")
			if !ok {
				continue
			}
			label := b.Host.text(dir + "/" + f)
			id, intel := strings.CutPrefix(label, "Package id ")
			limit := float64(tctlLimit)
			var err error
			switch {
			case intel:
				if limit, err = b.Host.milli(dir + "/" + prefix + "_crit"); err != nil {
					return nil, err
				}
			case label == "Tctl":
				id = strconv.Itoa(amd)
				amd++
			default:
				continue
			}
			temp, err := b.Host.milli(dir + "/" + prefix + "_input")
			if err != nil {
				return nil, err
			}
			cpu := burnin.Entity{Kind: burnin.EntityCPU, ID: id}
			r.add("cpu_temp", "Cel", cpu, temp)
			r.add("cpu_margin", "K", cpu, limit-temp)
		}
	}
	return r.Values, nil
}

func (h Host) milli(name string) (float64, error) {
	v, err := strconv.ParseFloat(h.text(name), 64)
	if err != nil {
		return 0, fmt.Errorf("%s holds %q", name, h.text(name))
	}
	return v / 1000, nil
}
