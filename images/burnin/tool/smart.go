package tool

import (
	"github.com/rackwright/rackwright/images/burnin"
)

func smartCommand(h Host, _ burnin.Test, target burnin.Entity) (Command, float64, error) {
	d, err := h.drive(target)
	return Command{Name: "smartctl", Args: []string{"-j", "-a", d.Path()}}, 0, err
}

func nvmeCommand(h Host, _ burnin.Test, target burnin.Entity) (Command, float64, error) {
	d, err := h.drive(target)
	return Command{Name: "nvme", Args: []string{"smart-log", "-o", "json", d.Path()}}, 0, err
}

// smartExit: bits 0 to 2 mean that smartctl could not ask; the higher bits
// speak about the drive or its past, and the values say it better (smartctl(8)).
func smartExit(exit int) bool { return exit >= 0 && exit&0b111 == 0 }

type smartOutput struct {
	Smartctl struct {
		Version []int `json:"version"`
	} `json:"smartctl"`
	Device struct {
		Protocol string `json:"protocol"`
	} `json:"device"`
	Serial string `json:"serial_number"`
	Status *struct {
		Passed *bool `json:"passed"`
	} `json:"smart_status"`
	NVMe *nvmeHealth `json:"nvme_smart_health_information_log"`
	ATA  *struct {
		Table []struct {
			ID  int `json:"id"`
			Raw struct {
				Value float64 `json:"value"`
			} `json:"raw"`
		} `json:"table"`
	} `json:"ata_smart_attributes"`
	Temperature *struct {
		Current *float64 `json:"current"`
	} `json:"temperature"`
	PowerOn *struct {
		Hours *float64 `json:"hours"`
	} `json:"power_on_time"`
}

// nvmeHealth is log page 02h (NVM Express base specification, SMART / health
// information); smartctl and nvme-cli name its fields alike but for one.
type nvmeHealth struct {
	CriticalWarning *float64 `json:"critical_warning"`
	Temperature     *float64 `json:"temperature"` // smartctl: Celsius; nvme-cli: Kelvin
	PercentageUsed  *float64 `json:"percentage_used"`
	PercentUsed     *float64 `json:"percent_used"` // nvme-cli
	MediaErrors     *float64 `json:"media_errors"`
	PowerOnHours    *float64 `json:"power_on_hours"`
	ErrorLog        *float64 `json:"num_err_log_entries"`
}

// Smartctl reads smartctl -j -a of one drive, NVMe or ATA. Without an overall
// health and the drive's own serial nothing is judged.
func Smartctl(in Input) (Reading, error) {
	const name = "smartctl"
	var out smartOutput
	if err := object(name, in.Stdout, "smartctl", &out); err != nil {
		return Reading{}, err
	}
	r := Reading{Version: dotted(out.Smartctl.Version)}
	if out.Status == nil || out.Status.Passed == nil {
		return r, wrong(name, "the drive tells no health")
	}
	if got := usable(out.Serial); got != in.Target.ID {
		return r, wrong(name, "asked for serial %s, answered %q", in.Target.ID, out.Serial)
	}
	r.add("healthy", "bool", in.Target, boolean(*out.Status.Passed))
	if t := out.Temperature; t != nil && t.Current != nil {
		r.add("drive_temp", "Cel", in.Target, *t.Current)
	}
	if p := out.PowerOn; p != nil && p.Hours != nil {
		r.add("power_on_hours", "h", in.Target, *p.Hours)
	}
	switch {
	case out.NVMe != nil:
		out.NVMe.addTo(&r, in.Target)
	case out.ATA != nil:
		// 5 reallocated, 197 pending, 198 uncorrectable sectors. ATA has no
		// critical warning byte; its failing attributes are in the health above.
		n, found := 0.0, 0
		for _, a := range out.ATA.Table {
			if a.ID == 5 || a.ID == 197 || a.ID == 198 {
				n, found = n+a.Raw.Value, found+1
			}
		}
		if found > 0 {
			r.add("media_errors", "count", in.Target, n)
			r.add("critical_warning", "count", in.Target, 1-boolean(*out.Status.Passed))
		}
	}
	return r, nil
}

// NVMe reads nvme smart-log -o json. The log carries no serial, so the path's
// owner is checked by the caller before and after.
func NVMe(in Input) (Reading, error) {
	const name = "nvme"
	var h nvmeHealth
	if err := object(name, in.Stdout, "critical_warning", &h); err != nil {
		return Reading{}, err
	}
	var r Reading
	if h.CriticalWarning == nil {
		return r, wrong(name, "no critical_warning")
	}
	if h.PercentageUsed == nil {
		h.PercentageUsed = h.PercentUsed
	}
	r.add("healthy", "bool", in.Target, boolean(*h.CriticalWarning == 0))
	if h.Temperature != nil {
		r.add("drive_temp", "Cel", in.Target, *h.Temperature-273)
	}
	if h.PowerOnHours != nil {
		r.add("power_on_hours", "h", in.Target, *h.PowerOnHours)
	}
	h.addTo(&r, in.Target)
	return r, nil
}

// addTo adds what both tools name alike; a field the drive lacks stays
// unmeasured.
func (h nvmeHealth) addTo(r *Reading, e burnin.Entity) {
	for _, f := range []struct {
		metric, unit string
		v            *float64
	}{{"critical_warning", "count", h.CriticalWarning}, {"media_errors", "count", h.MediaErrors},
		{"percentage_used", "percent", h.PercentageUsed}, {"error_log", "count", h.ErrorLog}} {
		if f.v != nil {
			r.add(f.metric, f.unit, e, *f.v)
		}
	}
}
