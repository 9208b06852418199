package simagent

import (
	"context"
	"embed"
	"fmt"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/rackwright/rackwright/images/burnin"
	"github.com/rackwright/rackwright/images/burnin/tool"
	"github.com/rackwright/rackwright/inventory"
)

// fixtures are written in the formats of the Debian bookworm tools.
//
//go:embed fixtures/*.tmpl
var fixtures embed.FS

// page is what a fixture may show.
type page struct {
	Machine
	Serial    string // of the unit
	Drive     Drive
	Device    string
	NIC       NIC
	Bus       string
	MiB       int
	Seconds   int
	Bytes     int64
	Stressors []string
	Bad       bool
	Changed   bool
}

// Start implements tool.Starter: it prints what the program would have printed.
func (s *state) Start(ctx context.Context, c tool.Command) tool.Captured {
	pause := s.pause(c.Name)
	if pause > 0 {
		select {
		case <-ctx.Done():
			return tool.Captured{Error: "the run was stopped", Exit: -1}
		case <-time.After(pause):
		}
	}
	p := page{Machine: s.m, Serial: s.m.Serial, Changed: s.tested && s.has(FaultPartChanged)}
	got := tool.Captured{Digest: inventory.DigestOf([]byte("simulated " + c.Name)), Took: pause}
	switch c.Name {
	case "dmidecode", "lspci":
		got.Stdout = render(c.Name, p)
	case "ethtool":
		s.ethtool(c, &p)
		got.Stdout = render("ethtool", p)
	case "stressapptest":
		s.memory(c, p, &got)
	case "memtester":
		p.MiB = number(c.Args[0])
		got.Stdout = render("memtester", p)
	case "stress-ng":
		s.stress(c, p, &got)
	case "fio":
		s.fio(c, p, &got)
	case "smartctl":
		s.smart(c, p, &got)
	default:
		return tool.Captured{Missing: true, Exit: 127}
	}
	return got
}

// pause is how long a tool takes. What runs once per drive shares one pace, so
// that a run lasts as long with eight drives as with one; reading the parts
// takes no time.
func (s *state) pause(name string) time.Duration {
	switch name {
	case "stressapptest", "memtester", "stress-ng":
		return s.pace
	case "fio", "smartctl":
		return s.pace / time.Duration(max(1, len(s.m.Drives)))
	}
	return 0
}

// render fills a fixture; the fixtures are part of the program, so a fault in
// one is a fault of the program.
func render(name string, p page) []byte {
	t, err := template.New(name+".tmpl").Funcs(template.FuncMap{"bytes": func(mib int) int { return mib << 20 }, "hex": func(base, i int) string { return fmt.Sprintf("%02x", base+i) }}).ParseFS(fixtures, "fixtures/"+name+".tmpl")
	var out strings.Builder
	if err == nil {
		err = t.Execute(&out, p)
	}
	if err != nil {
		panic(fmt.Sprintf("fixture %s: %v", name, err))
	}
	return []byte(out.String())
}

func (s *state) memory(c tool.Command, p page, got *tool.Captured) {
	s.tested = true
	p.MiB, p.Seconds, p.Bad = number(after(c, "-M")), number(after(c, "-s")), s.has(FaultMemory)
	if s.has(FaultToolSilent) {
		return
	}
	got.Stdout = render("stressapptest", p)
	if p.Bad {
		got.Exit = 1
		s.log(burnin.KernelHardware, burnin.Entity{}, "EDAC MC0: 1 UE memory read error on CPU_SrcID#0_MC#0_Chan#1_DIMM#0")
	}
}

func (s *state) stress(c tool.Command, p page, got *tool.Captured) {
	if s.has(FaultToolMissing) {
		*got = tool.Captured{Missing: true, Exit: 127}
		return
	}
	if s.has(FaultToolBroken) {
		got.Exit, got.Stderr = 127, []byte("stress-ng: error while loading shared libraries: libjudy.so.1: cannot open shared object file\n")
		return
	}
	for i, a := range c.Args {
		name, ok := strings.CutPrefix(a, "--")
		if ok && i+1 < len(c.Args) && name != "timeout" && name != "yaml" && name != "vm-bytes" && name != "temp-path" {
			if _, err := strconv.Atoi(c.Args[i+1]); err == nil {
				p.Stressors = append(p.Stressors, name)
			}
		}
	}
	p.Seconds = number(after(c, "--timeout"))
	got.File, got.Stderr = render("stress-ng.yaml", p), render("stress-ng.log", p)
	if s.has(FaultKernel) {
		s.log(burnin.KernelHardware, burnin.Entity{}, "mce: [Hardware Error]: CPU 0: Machine Check: 0 Bank 5: be00000000800400")
	}
	if s.has(FaultKernelGap) {
		s.log(burnin.KernelGap, burnin.Entity{}, "lines were lost")
	}
}

func (s *state) fio(c tool.Command, p page, got *tool.Captured) {
	file := ""
	for _, a := range c.Args {
		if v, ok := strings.CutPrefix(a, "--filename="); ok {
			file = v
		}
		if v, ok := strings.CutPrefix(a, "--size="); ok {
			p.Bytes, _ = strconv.ParseInt(v, 10, 64) // our own command line
		}
	}
	first := s.drive(file, &p)
	if p.Bad = first && s.has(FaultDrive); p.Bad {
		got.Exit = 1
		got.Stderr = fmt.Appendf(nil, "fio: io_u error on file %s: No data available: read offset=2097152, buflen=1048576\n", file)
		s.log(burnin.KernelIO, burnin.Entity{Kind: burnin.EntityDrive, ID: inventory.Usable(p.Drive.Serial)},
			"critical medium error, dev "+strings.TrimPrefix(file, "/dev/")+", sector 4096 op 0x0:(READ) flags 0x800 phys_seg 1 prio class 2")
	}
	got.Stdout = render("fio", p)
}

func (s *state) smart(c tool.Command, p page, got *tool.Captured) {
	if first := s.drive(c.Args[len(c.Args)-1], &p); first && s.has(FaultHot) {
		p.Drive.Celsius = 84
	}
	if p.Drive.Celsius == 0 {
		p.Drive.Celsius = 38
	}
	got.Stdout = render("smartctl", p)
}

// drive fills in the drive of a device path and says whether it is the first.
func (s *state) drive(file string, p *page) bool {
	p.Device = file
	for i, d := range s.m.Drives {
		if file == fmt.Sprintf("/dev/nvme%dn1", i) {
			p.Drive = d
			return i == 0
		}
	}
	return false
}

func (s *state) ethtool(c tool.Command, p *page) {
	for i, n := range s.m.NICs {
		if c.Args[len(c.Args)-1] == fmt.Sprintf("eth%d", i) {
			p.NIC, p.Bus = n, fmt.Sprintf("0000:%02x:00.0", 0x20+i)
		}
	}
}

func (s *state) log(class burnin.KernelClass, e burnin.Entity, text string) {
	s.seq++
	s.kernel <- burnin.KernelLine{Seq: s.seq, Class: class, Text: text, Entity: e}
}

// Watch implements burnin.KernelLog.
func (s *state) Watch(ctx context.Context, line func(burnin.KernelLine)) error {
	for {
		select {
		case k := <-s.kernel:
			line(k)
		case <-ctx.Done():
			for { // what was printed before the end belongs to the run
				select {
				case k := <-s.kernel:
					line(k)
				default:
					return nil
				}
			}
		}
	}
}

func after(c tool.Command, flag string) string {
	for i, a := range c.Args {
		if a == flag && i+1 < len(c.Args) {
			return c.Args[i+1]
		}
	}
	return ""
}

// number reads the leading digits of our own arguments ("512M", "3s").
func number(text string) int {
	n := 0
	for _, r := range text {
		if r < '0' || r > '9' {
			break
		}
		n = n*10 + int(r-'0')
	}
	return n
}
