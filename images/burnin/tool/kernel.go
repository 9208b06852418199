package tool

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/rackwright/rackwright/images/burnin"
)

// Record is one record of /dev/kmsg (Documentation/ABI/testing/dev-kmsg).
type Record struct {
	Seq   uint64
	Level int // 0 emergency to 7 debug
	Text  string
}

// Kmsg reads one record: "prio,seq,usec,flags;text", continuation lines after it.
func Kmsg(b []byte) (Record, error) {
	head, rest, ok := strings.Cut(string(b), ";")
	f := strings.Split(head, ",")
	if !ok || len(f) < 4 {
		return Record{}, wrong("kmsg", "record without header: %.60q", b)
	}
	prio, err1 := strconv.ParseUint(f[0], 10, 32)
	seq, err2 := strconv.ParseUint(f[1], 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return Record{}, fmt.Errorf("kmsg: header %q: %w", head, err)
	}
	text, _, _ := strings.Cut(rest, "\n")
	return Record{Seq: seq, Level: int(prio & 7), Text: text}, nil
}

type rule struct {
	class   burnin.KernelClass
	pattern *regexp.Regexp
}

// rules in order: the first that matches names the class. Corrected forms come
// before uncorrected ones, because "uncorrected" contains "corrected".
var rules = []rule{
	{burnin.KernelXID, regexp.MustCompile(`NVRM: Xid |nvswitch.*SXid .*: \d+, Fatal`)},
	{burnin.KernelNeuron, regexp.MustCompile(`NEURON_HW_ERR=`)},
	{burnin.KernelThermal, regexp.MustCompile(`(?i)temperature above threshold|cpu clock throttled|thermal.*critical temperature reached`)},
	{burnin.KernelAER, regexp.MustCompile(`AER: .*Uncorrect|severity=Uncorrected|PCIe Bus Error: severity=Fatal`)},
	{burnin.KernelAERFixed, regexp.MustCompile(`AER: .*Corrected error|severity=Corrected`)},
	{burnin.KernelCorrected, regexp.MustCompile(`\[Hardware Error\]: Corrected|EDAC .*: \d+ CE |CMCI storm`)},
	{burnin.KernelHardware, regexp.MustCompile(`\[Hardware Error\]|EDAC .*: \d+ UE |Memory failure: 0x`)},
	{burnin.KernelIO, regexp.MustCompile(`I/O error|I/O Error|critical (medium|target|space allocation) error|Medium Error|Unrecovered read error|nvme.*(controller is down|I/O .*timeout|Abort status)|ata\d.*: (failed command|error:)|blk_update_request:`)},
	{burnin.KernelOOM, regexp.MustCompile(`Out of memory: Kill|invoked oom-killer|oom-kill:`)},
	{burnin.KernelLockup, regexp.MustCompile(`(soft|hard) (lockup|LOCKUP)|self-detected stall|detected stalls on CPUs|blocked for more than \d+ seconds`)},
	{burnin.KernelOops, regexp.MustCompile(`Kernel panic|^BUG: |Oops: |Unable to handle kernel|unable to handle page fault|kernel BUG at`)},
}

// Classify names the class of a kernel log line, or none.
func Classify(text string) (burnin.KernelClass, bool) {
	for _, r := range rules {
		if r.pattern.MatchString(text) {
			return r.class, true
		}
	}
	return "", false
}

var lineDevice = regexp.MustCompile(`\bdev ([a-z]+[a-z0-9]*)|^(nvme\d+n\d+|sd[a-z]+|vd[a-z]+):|\[(sd[a-z]+)\]`)

// Line classifies a record and binds it to the drive it names.
func (h Host) Line(r Record) (burnin.KernelLine, bool) {
	class, ok := Classify(r.Text)
	if !ok {
		return burnin.KernelLine{}, false
	}
	text := r.Text
	if len(text) > 400 {
		text = text[:400]
	}
	line := burnin.KernelLine{Seq: r.Seq, Class: class, Text: strings.ToValidUTF8(text, "?")}
	if m := lineDevice.FindStringSubmatch(r.Text); m != nil {
		name := m[1] + m[2] + m[3]
		for _, d := range h.Drives() {
			if d.Serial != "" && (d.Name == name || strings.HasPrefix(name, d.Name) && strings.HasPrefix(name[len(d.Name):], "p")) {
				line.Entity = burnin.Entity{Kind: burnin.EntityDrive, ID: d.Serial}
			}
		}
	}
	return line, true
}
