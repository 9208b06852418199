package pxe

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/rackwright/rackwright/inventory"
)

var update = flag.Bool("update", false, "write golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (run with -update and read the difference):\n%s", path, cmp.Diff(string(want), string(got)))
	}
}

// gates are the states of a node that matter to the decision.
func gates() []struct {
	name string
	f    Facts
} {
	with := func(change func(*inventory.Node)) Facts {
		n := testNode()
		change(n)
		return Facts{Node: n, Now: testNow, Token: TokenDigest(NodeToken(testKey, testMAC, *n))}
	}
	open := with(func(*inventory.Node) {})
	redeemed, revoked := open, open
	redeemed.Lines = []inventory.BootLine{{Stage: StageAgent, Branch: string(BranchRedeemed), Token: open.Token, At: testNow}}
	revoked.Lines = []inventory.BootLine{{Stage: StageHTTPGet, Branch: string(BranchRevoked), Token: open.Token, At: testNow}}
	return []struct {
		name string
		f    Facts
	}{
		{"open", open},
		{"unknown", Facts{Now: testNow}},
		{"no operation", with(func(n *inventory.Node) { n.Operation = nil })},
		{"no boot", with(func(n *inventory.Node) { n.Operation.Boot = nil })},
		{"expired", with(func(n *inventory.Node) { n.Operation.Boot.Until = testNow })},
		{"held", with(func(n *inventory.Node) { n.Holds = []inventory.Hold{{Name: inventory.HoldSafetyLatch}} })},
		{"maintenance", with(func(n *inventory.Node) { n.Holds = []inventory.Hold{{Name: "maintenance"}} })},
		{"bmc", with(func(n *inventory.Node) { n.BMC.MAC = testMAC })},
		{"redeemed", redeemed},
		{"revoked", revoked},
	}
}

// TestAnswersGolden is every client × mode × gate, with the bytes that leave.
func TestAnswersGolden(t *testing.T) {
	var w bytes.Buffer
	for _, mode := range []Mode{ModeAuthoritative, ModeProxy, ModeProxy4011, ModeOff} {
		for _, g := range gates() {
			fmt.Fprintf(&w, "\n== %s, %s\n", mode, g.name)
			for _, c := range clients {
				p := c.packet(dhcpv4.MessageTypeDiscover)
				r, err := Classify(p, Arrival{Subnet: testScope.Subnet, Proxy: mode != ModeAuthoritative})
				if err != nil {
					t.Fatal(err)
				}
				a := Decide(r, g.f, DefaultPolicy(mode))
				fmt.Fprintf(&w, "%-18s %-8s %s", c.name, a.Action, a.Branch)
				if a.Reason != "" {
					fmt.Fprintf(&w, " | %s", a.Reason)
				}
				fmt.Fprintln(&w)
				if a.Action != ActionIgnore && g.name == "open" {
					answerBytes(t, &w, p, r, a, g.f)
				}
			}
		}
	}
	golden(t, "answers.golden", w.Bytes())
}

func answerBytes(t *testing.T, w *bytes.Buffer, p *dhcpv4.DHCPv4, r Request, a Answer, f Facts) {
	t.Helper()
	re := Reply{Request: r, Answer: a, Scope: testScope, Endpoints: testEnds, Now: testNow, HostName: "a12-c07"}
	if !r.Arrival.Proxy {
		re.Binding = inventory.Binding{Hint: r.Hint, Addr: testScope.First, Subnet: testScope.Subnet, Until: testNow.Add(time.Hour)}
	}
	if a.Boots() {
		re.Token = NodeToken(testKey, r.MAC, *f.Node)
	}
	out, err := Offer(p, re)
	if err != nil {
		fmt.Fprintf(w, "    error %v\n", err)
		return
	}
	fmt.Fprintf(w, "    yiaddr %s siaddr %s file %q sname %q, %d bytes\n", out.YourIPAddr, out.ServerIPAddr, out.BootFileName, out.ServerHostName, len(out.ToBytes()))
	codes := make([]int, 0, len(out.Options))
	for c := range out.Options {
		codes = append(codes, int(c))
	}
	sort.Ints(codes)
	for _, c := range codes {
		v := out.Options[uint8(c)]
		if c == 60 || c == 66 || c == 67 || c == 12 || c == 15 {
			fmt.Fprintf(w, "    %3d %q\n", c, v)
		} else {
			fmt.Fprintf(w, "    %3d %x\n", c, v)
		}
	}
}

// ledger builds lines: "p" a confirmed program, "s" the script's address
// confirmed, "g" the script fetched, "a" the agent; one second apart.
func ledger(seq string, token inventory.Digest, from time.Time) []inventory.BootLine {
	var out []inventory.BootLine
	for i, ch := range seq {
		l := inventory.BootLine{Token: token, At: from.Add(time.Duration(i) * time.Second), Detail: fmt.Sprint("xid ", i)}
		switch ch {
		case 'p':
			l.Stage, l.Branch = StageAck, string(BranchPXEProgram)
		case 's':
			l.Stage, l.Branch = StageAck, string(BranchIPXEScript)
		case 'g':
			l.Stage, l.Branch = StageScript, string(BranchServed)
		case 'a':
			l.Stage, l.Branch = StageAgent, string(BranchRedeemed)
		}
		out = append(out, l)
	}
	return out
}

func TestLoopGuard(t *testing.T) {
	n := testNode()
	now := TokenDigest(NodeToken(testKey, testMAC, *n))
	old := inventory.DigestOf([]byte("an earlier attempt"))
	pxe := Request{Hint: inventory.Hint{MAC: testMAC}, Class: ClassPXE, Arch: "amd64", Arrival: Arrival{Subnet: testScope.Subnet}}
	ipxe := pxe
	ipxe.Class = ClassIPXE
	for _, c := range []struct {
		name  string
		seq   string
		token inventory.Digest
		age   time.Duration
		r     Request
		want  Branch
	}{
		{"first boot", "", now, time.Minute, pxe, BranchPXEProgram},
		{"second boot", "psg", now, time.Minute, pxe, BranchPXEProgram},
		{"third boot", "psgpsg", now, time.Minute, pxe, BranchPXEProgram},
		{"its iPXE", "psgpsgp", now, time.Minute, ipxe, BranchIPXEScript},
		{"fourth boot", "psgpsgpsg", now, time.Minute, pxe, BranchLoopGuard},
		{"fourth boot hours later", "psgpsgpsg", now, 5 * time.Hour, pxe, BranchLoopGuard},
		{"fourth boot of another attempt", "psgpsgpsg", old, time.Minute, pxe, BranchPXEProgram},
		{"rom iPXE, third", "sgsg", now, time.Minute, ipxe, BranchIPXEScript},
		{"rom iPXE, fourth", "sgsgsg", now, time.Minute, ipxe, BranchLoopGuard},
		{"never reached the script", "ppp", now, time.Minute, pxe, BranchChainLoop},
		{"the same, after the quiet time", "ppp", now, 11 * time.Minute, pxe, BranchPXEProgram},
		{"never reached it, in an earlier attempt", "ppp", old, time.Minute, pxe, BranchChainLoop},
		{"asks for the script, never gets it", "pspsps", now, time.Minute, pxe, BranchChainLoop},
		{"a script in between", "ppsgpp", now, time.Minute, pxe, BranchPXEProgram},
		{"agent ran in an earlier attempt", "psgpsgpsga", old, time.Minute, pxe, BranchPXEProgram},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := Facts{Node: n, Token: now, Now: testNow, Lines: ledger(c.seq, c.token, testNow.Add(-c.age))}
			p := DefaultPolicy(ModeAuthoritative)
			a := Decide(c.r, f, p)
			if a.Branch != c.want {
				t.Errorf("branch %s, want %s (%s)", a.Branch, c.want, a.Reason)
			}
			if stopped := c.want == BranchLoopGuard || c.want == BranchChainLoop; stopped && (a.Action != ActionAddress || a.Reason == "") {
				t.Errorf("stopped machine gets %s with reason %q", a.Action, a.Reason)
			}
		})
	}
}

// TestRetransmissionIsOneBoot: a lost ACK is asked for again with the same transaction.
func TestRetransmissionIsOneBoot(t *testing.T) {
	l := inventory.BootLine{Stage: StageAck, Branch: string(BranchPXEProgram), Detail: "xid 0x1"}
	if got := boots([]inventory.BootLine{l, l, l}); len(got) != 1 {
		t.Errorf("%d boots, want 1", len(got))
	}
}
