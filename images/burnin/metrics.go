package burnin

import (
	"maps"
	"slices"
)

// Metric is what a name means: its unit and what it belongs to.
type Metric struct {
	Unit string
	Per  EntityKind
	// Work proves that the tool did something. A step whose plan gates no work
	// metric could pass without having run (burnin.md §2, rows 3 and 14).
	Work bool
}

// ToolSpec is the closed table row of a tool: what its parser yields.
type ToolSpec struct {
	Metrics map[string]Metric
	Each    EntityKind // the tool runs once per entity of this kind
	// Required names the metric that says whether the tool found a fault.
	Required []string
	Args     []string // arguments a plan may give
}

// Tool names of this release. Inventory and counters are built into the agent.
const (
	ToolInventory     = "inventory"
	ToolCounters      = "counters"
	ToolStressapptest = "stressapptest"
	ToolMemtester     = "memtester"
	ToolStressNG      = "stress-ng"
	ToolFio           = "fio"
	ToolSmart         = "smart"
	ToolNVMe          = "nvme"
	ToolIperf3        = "iperf3"
)

// Sensors are the metrics the agent measures beside any step, the worst value
// of the step's time: the hottest and the smallest distance to the limit.
func Sensors() map[string]Metric {
	return map[string]Metric{
		"cpu_temp":   {Unit: "Cel", Per: EntityCPU},
		"cpu_margin": {Unit: "K", Per: EntityCPU},
	}
}

// Tools is the closed table of tools and their metrics.
func Tools() map[string]ToolSpec {
	return map[string]ToolSpec{
		ToolInventory: {Metrics: map[string]Metric{
			"parts": {Unit: "count", Work: true}, "read_faults": {Unit: "count"},
		}},
		ToolCounters: {Metrics: map[string]Metric{
			"edac_controllers": {Unit: "count", Work: true}, "ecc_uncorrected": {Unit: "count"}, "ecc_corrected": {Unit: "count"},
			"cpu_packages": {Unit: "count", Work: true}, "package_throttles": {Unit: "count", Per: EntityCPU},
		}},
		ToolStressapptest: {Required: []string{"hardware_incidents", "errors", "passed"}, Args: []string{"memory", "cpu_stress", "threads"},
			Metrics: map[string]Metric{
				"hardware_incidents": {Unit: "count"}, "errors": {Unit: "count"}, "passed": {Unit: "bool"},
				"memory_mib": {Unit: "MiB"}, "memory_fraction": {Unit: "fraction", Work: true},
				"copied_mib": {Unit: "MiB", Work: true}, "copy_rate": {Unit: "MiB/s"},
			}},
		ToolMemtester: {Required: []string{"failures"}, Args: []string{"memory", "loops"}, Metrics: map[string]Metric{
			"failures": {Unit: "count"}, "tests_ok": {Unit: "count", Work: true}, "loops": {Unit: "count", Work: true},
			"memory_mib": {Unit: "MiB"}, "memory_fraction": {Unit: "fraction", Work: true}, "locked": {Unit: "bool"},
		}},
		ToolStressNG: {Required: []string{"verify_failures", "skipped"}, Args: []string{"stressors", "vm_bytes"}, Metrics: map[string]Metric{
			"verify_failures": {Unit: "count"}, "skipped": {Unit: "count"}, "untrustworthy": {Unit: "count"},
			"bogo_ops": {Unit: "count", Per: EntityStressor, Work: true}, "bogo_ops_rate": {Unit: "1/s", Per: EntityStressor},
		}},
		ToolFio: {Each: EntityDrive, Required: []string{"errors"}, Args: []string{"rw", "size", "bs", "verify"}, Metrics: map[string]Metric{
			"errors": {Unit: "count", Per: EntityDrive}, "io_bytes": {Unit: "B", Per: EntityDrive, Work: true},
			"io_fraction": {Unit: "fraction", Per: EntityDrive, Work: true}, "rate": {Unit: "B/s", Per: EntityDrive},
		}},
		ToolSmart: {Each: EntityDrive, Required: []string{"healthy"}, Metrics: smartMetrics()},
		ToolNVMe:  {Each: EntityDrive, Required: []string{"critical_warning"}, Metrics: smartMetrics()},
		ToolIperf3: {Required: []string{"errors"}, Args: []string{"host", "port", "streams"}, Metrics: map[string]Metric{
			"errors": {Unit: "count"}, "sent_bytes": {Unit: "B", Work: true}, "received_bytes": {Unit: "B", Work: true},
			"received_rate": {Unit: "bit/s"}, "retransmits": {Unit: "count"},
		}},
	}
}

func smartMetrics() map[string]Metric {
	return map[string]Metric{
		"healthy":          {Unit: "bool", Per: EntityDrive, Work: true},
		"critical_warning": {Unit: "count", Per: EntityDrive, Work: true},
		"media_errors":     {Unit: "count", Per: EntityDrive, Work: true},
		"percentage_used":  {Unit: "percent", Per: EntityDrive},
		"drive_temp":       {Unit: "Cel", Per: EntityDrive},
		"power_on_hours":   {Unit: "h", Per: EntityDrive},
		"error_log":        {Unit: "count", Per: EntityDrive},
	}
}

// metricOf finds the meaning of a metric in a step: the tool's own or a sensor.
func metricOf(tool, metric string) (Metric, bool) {
	if m, ok := Tools()[tool].Metrics[metric]; ok {
		return m, true
	}
	m, ok := Sensors()[metric]
	return m, ok
}

// ToolNames are the tools of this release in order.
func ToolNames() []string { return slices.Sorted(maps.Keys(Tools())) }
