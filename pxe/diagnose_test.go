package pxe

import (
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// TestDiagnose is the table of netboot.md §10.2.
func TestDiagnose(t *testing.T) {
	t.Parallel()
	const pxe, script = string(BranchPXEProgram), string(BranchIPXEScript)
	ack := []inventory.BootLine{{Stage: StageDiscover, Branch: pxe}, {Stage: StageOffer, Branch: pxe}, {Stage: StageRequest, Branch: pxe}, {Stage: StageAck, Branch: pxe}}
	with := func(more ...inventory.BootLine) []inventory.BootLine {
		return append(append([]inventory.BootLine(nil), ack...), more...)
	}
	program := inventory.BootLine{Stage: StageTFTPDone, Branch: string(BranchServed), Detail: "snponly.efi", Bytes: 173792}
	got := inventory.BootLine{Stage: StageScript, Branch: string(BranchServed)}
	kernel := inventory.BootLine{Stage: StageKernel, Branch: string(BranchServed), Bytes: 8 << 20}
	for _, c := range []struct {
		name  string
		lines []inventory.BootLine
		after time.Duration
		says  string
	}{
		{"power on, nothing, early", nil, time.Minute, ""},
		{"power on, nothing", nil, 11 * time.Minute, "no DHCP packet since power-on 11m0s"},
		{"offers, no request", ack[:2], 2 * time.Minute, "got 1 offers and took none"},
		{"a foreign server", []inventory.BootLine{ack[0], {Stage: StageRequest, Branch: string(BranchForeign), Detail: "10.9.0.66"}}, 0, "Find DHCP server 10.9.0.66"},
		{"address, no fetch", with(), 2 * time.Minute, "Check TFTP and firewall"},
		{"address, no fetch, early", with(), time.Minute, ""},
		{"size probe only", with(inventory.BootLine{Stage: StageRRQ}, inventory.BootLine{Stage: StageTFTPDone, Branch: string(BranchProbe)}), 2 * time.Minute, "asked for the size and refused it"},
		{"99 %, then silence", with(inventory.BootLine{Stage: StageTFTPDone, Branch: string(BranchTimeout), Detail: "snponly.efi", Bytes: 171000}), 2 * time.Minute, "snponly.efi stopped at 171000 bytes"},
		{"program, no script", with(program), 2 * time.Minute, "cannot use the network card"},
		{"program by HTTP, no script", with(inventory.BootLine{Stage: StageHTTPGet, Branch: string(BranchServed)}), 2 * time.Minute, "cannot use the network card"},
		{"script, no kernel", with(program, inventory.BootLine{Stage: StageAck, Branch: script}, got), 2 * time.Minute, "never called"},
		{"kernel, no agent, early", with(program, got, kernel), 4 * time.Minute, ""},
		{"kernel, no agent", with(program, got, kernel), 6 * time.Minute, "never called"},
		{"kernel cut off", with(program, got, inventory.BootLine{Stage: StageKernel, Branch: string(BranchAbort), Detail: "kernel", Bytes: 99}), 2 * time.Minute, "kernel stopped at 99 bytes"},
		{"the script gave up", with(program, got, inventory.BootLine{Stage: StageHTTPGet, Branch: string(BranchFailed), Detail: "event kernel"}), 0, "gave up. event kernel"},
		{"agent", with(program, got, kernel, inventory.BootLine{Stage: StageAgent, Branch: string(BranchRedeemed)}), time.Hour, ""},
		{"from disk as it should", []inventory.BootLine{{Stage: StageDiscover, Branch: string(BranchLocalDisk)}, {Stage: StageRequest, Branch: string(BranchLocalDisk)}}, 5 * time.Minute, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := Watched{Node: inventory.Node{Address: "A12/C07"}, PowerOn: testNow}
			w.Now = testNow.Add(c.after)
			for i, l := range c.lines {
				l.At = testNow.Add(time.Duration(i) * time.Millisecond)
				w.Lines = append(w.Lines, l)
				w.Now = l.At.Add(c.after)
			}
			// Lines of an earlier power-on say nothing about this boot.
			w.Lines = append([]inventory.BootLine{{Stage: StageAgent, Branch: string(BranchRedeemed), At: testNow.Add(-time.Hour)}}, w.Lines...)
			a := Diagnose(w)
			if !strings.Contains(a, c.says) || (a == "") != (c.says == "") {
				t.Errorf("%q, want %q", a, c.says)
			}
			if strings.Contains(a, "{") {
				t.Errorf("%q has a hole", a)
			}
		})
	}
}
