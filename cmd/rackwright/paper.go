package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/client"
	"github.com/rackwright/rackwright/inventory"
)

// manifestHelp shows the smallest packing list that is of use in both forms.
const manifestHelp = `Import a packing list. The smallest useful one:

  schema: rackwright/manifest/1
  name: D-118
  racks:
    - name: A12
      serial: RK0001
      type: hgx-8
      nodes:
        - slot: C01
          model: HGX-B200
          serial: SN0001
          macs: ["b8:00:00:00:00:01"]
          bmc: {mac: "b8:00:00:00:01:01", url: "https://192.0.2.1", user: admin, password: "of the label"}
          parts:
            - {kind: gpu, slot: GPU_SXM_1, model: B200, serial: G1}
            - {kind: dimm, model: M321, quantity: 32, size_mib: 65536}

The same as CSV; the rack type stands in part_number, a node's class is its kind:

  rack,slot,class,manufacturer,part_number,serial,mac_bmc,mac,parent,quantity,note
  A12,,rack,,hgx-8,RK0001,,,,,hall 2
  A12,C01,compute,Example,HGX-B200,SN0001,b8:00:00:00:01:01,b8:00:00:00:00:01,,,
  A12,GPU_SXM_1,gpu,NVIDIA,B200,G1,,,C01,1,

Unknown keys, wrong slots and double serials are refused row by row, with the reason and the fix.`

func (a *app) importCmd() *cobra.Command {
	var dry bool
	c := &cobra.Command{Use: "import FILE|-", Short: "Import a packing list (YAML, JSON or CSV); bad rows are quarantined, good rows are kept",
		Long:    manifestHelp,
		Example: "  rackwright import a12.yaml --dry-run\n  rackwright import parts.csv", Args: exactly(1, "a file, or - for standard input")}
	c.AddCommand(a.importBaselineCmd(), a.importPayloadCmd(), a.importImageCmd())
	c.Flags().BoolVar(&dry, "dry-run", false, "read and check only")
	c.RunE = func(c *cobra.Command, args []string) error {
		raw, err := a.readInput(args[0])
		if err != nil {
			return err
		}
		cl, err := a.connect()
		if err != nil {
			return err
		}
		done, err := cl.Import(c.Context(), raw, dry)
		if err != nil {
			return err
		}
		t := table{columns: []string{"racks", "nodes", "parts", "quarantined", "document"}, value: done,
			rows: [][]string{{strings.Join(done.Racks, ","), strconv.Itoa(done.Nodes), strconv.Itoa(done.Parts), strconv.Itoa(rowsOf(done.Faults)), string(done.Document)}}}
		if err := a.print(t); err != nil {
			return err
		}
		for _, f := range done.Faults {
			fmt.Fprintln(a.err, api.RowText(f))
		}
		if len(done.Faults) > 0 {
			others := "the others are kept"
			if dry {
				others = "nothing was kept (--dry-run)"
			}
			return &partial{what: fmt.Sprintf("rows quarantined: %d, with %d faults; %s; correct them and import the file again", rowsOf(done.Faults), len(done.Faults), others)}
		}
		return nil
	}
	return c
}

func (a *app) readInput(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(a.in)
	}
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	return raw, nil
}

func (a *app) scanCmd() *cobra.Command {
	var node, disposition, note string
	c := &cobra.Command{Use: "scan RACK [CODE]", Short: "File what a scanner reads from labels; without CODE every line of standard input is one label",
		Example: "  rackwright scan A12 SN0001 --disposition received\n  rackwright scan A12 --disposition received < labels.txt", Args: atLeast(1, "a rack and a code")}
	c.Flags().StringVar(&node, "node", "", "slot the unit sits in; default: where its serial is expected")
	c.Flags().StringVar(&disposition, "disposition", "", "received, damaged or wrong")
	c.Flags().StringVar(&note, "note", "", "kept with the decision")
	c.RunE = func(c *cobra.Command, args []string) error {
		cl, err := a.connect()
		if err != nil {
			return err
		}
		one := func(code string) (api.ScanAnswer, error) {
			return cl.Scan(c.Context(), api.ScanRequest{Rack: args[0], Code: code, Node: node, Disposition: disposition, Note: note})
		}
		var codes []string
		if len(args) > 1 {
			codes = args[1:]
		} else {
			lines := bufio.NewScanner(a.in)
			for lines.Scan() {
				if text := strings.TrimSpace(lines.Text()); text != "" {
					codes = append(codes, text)
				}
			}
			if err := lines.Err(); err != nil {
				return fmt.Errorf("read labels: %w", err)
			}
		}
		return a.scanned(codes, one)
	}
	return c
}

func (a *app) scanned(codes []string, one func(string) (api.ScanAnswer, error)) error {
	t := table{columns: []string{"label", "node", "findings"}, empty: "no labels"}
	var all []api.ScanAnswer
	bad := 0
	for _, code := range codes {
		got, err := one(code)
		if err != nil {
			return fmt.Errorf("label %q: %w", code, err)
		}
		all = append(all, got)
		where, text := got.Node, "-"
		if !got.Known {
			where = "nobody expects it"
		}
		if len(got.Findings) > 0 {
			bad++
			text = got.Findings[0].Sentence
		}
		t.rows = append(t.rows, []string{code, where, text})
	}
	t.value = all
	if err := a.print(t); err != nil {
		return err
	}
	if bad > 0 {
		return &findings{what: fmt.Sprintf("%d of %d labels left findings", bad, len(codes))}
	}
	return nil
}

func (a *app) diffCmd() *cobra.Command {
	return &cobra.Command{Use: "diff RACK", Short: "Open differences between ordered and seen; exit 5 when there are any", Args: exactly(1, "a rack"),
		Example: "  rackwright diff A12\n  rackwright diff A12 -o csv",
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect()
			if err != nil {
				return err
			}
			list, err := cl.Findings(c.Context(), args[0], true)
			if err != nil {
				return err
			}
			if err := a.print(findingTable(list)); err != nil {
				return err
			}
			if len(list) > 0 {
				return &findings{what: fmt.Sprintf("%d findings are open", len(list))}
			}
			return nil
		}}
}

func (a *app) signCmd() *cobra.Command {
	var members, dry, fail bool
	var note, as string
	c := &cobra.Command{Use: "sign RACK|NODE [GATE...]", Short: "Sign checklist gates, or the certificate draft with --as deliverer|acceptor",
		Example: "  rackwright sign A12 --members           # every open checklist gate of every member\n  rackwright sign A12 facility.checklist\n  rackwright sign A12 --as acceptor",
		Args:    atLeast(1, "a rack or a node")}
	c.Flags().BoolVar(&members, "members", false, "sign for every member of the rack")
	c.Flags().BoolVar(&dry, "dry-run", false, "list what would be signed")
	c.Flags().BoolVar(&fail, "fail", false, "sign that it is NOT so")
	c.Flags().StringVar(&note, "note", "", "kept with the signature")
	c.Flags().StringVar(&as, "as", "", "deliverer or acceptor: sign the certificate draft")
	c.RunE = func(c *cobra.Command, args []string) error {
		cl, err := a.connect()
		if err != nil {
			return err
		}
		if as != "" {
			return a.signDraft(c.Context(), cl, args[0], as)
		}
		in := api.SignoffRequest{On: args[0], Members: members, Note: note}
		for _, g := range args[1:] {
			in.Gates = append(in.Gates, inventory.Gate(g))
		}
		if fail {
			in.Result = inventory.ResultFail
		}
		done, err := cl.Signoff(c.Context(), in, dry)
		if err != nil {
			return err
		}
		t := table{columns: []string{"on", "gate", "result", "what was signed"}, value: done}
		for _, l := range done {
			t.rows = append(t.rows, []string{l.Address, string(l.Gate), string(l.Result), l.Statement})
		}
		return a.print(t)
	}
	return c
}

func (a *app) signDraft(ctx context.Context, cl *client.Client, rack, as string) error {
	d, err := cl.Draft(ctx, rack)
	if err != nil {
		return err
	}
	for _, n := range d.Certificate.Notices {
		fmt.Fprintln(a.err, "notice: "+n)
	}
	if d, err = cl.SignDraft(ctx, rack, api.SignatureRequest{Part: api.Part(as), Draft: d.Digest}); err != nil {
		return err
	}
	return a.print(table{columns: []string{"rack", "signed as", "draft", "members", "gates"}, value: d,
		rows: [][]string{{rack, as, string(d.Digest), strconv.Itoa(len(d.Certificate.Members)), strconv.Itoa(len(d.Certificate.Gates))}}})
}

// rowsOf counts the rows that faults are in; one row may have several.
func rowsOf(faults []inventory.RowFault) int {
	rows := map[int]bool{}
	for _, f := range faults {
		rows[f.Row] = true
	}
	return len(rows)
}
