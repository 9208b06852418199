package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"aead.dev/minisign"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/rackwright/rackwright/images/burnin"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/sqlstore"
)

// baselineKey VAR FILE: makes a minisign key pair; VAR is the public one.
func baselineKey(ts *testscript.TestScript, _ bool, args []string) {
	public, private, err := minisign.GenerateKey(nil)
	ts.Check(err)
	text, err := public.MarshalText()
	ts.Check(err)
	_, key, _ := strings.Cut(string(text), "\n")
	ts.Setenv(args[0], key)
	raw, err := private.MarshalText()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), raw, 0o600))
}

// signFile KEY FILE: writes FILE.minisig, as minisign -Sm does.
func signFile(ts *testscript.TestScript, _ bool, args []string) {
	var private minisign.PrivateKey
	ts.Check(private.UnmarshalText([]byte(ts.ReadFile(args[0]))))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]+".minisig"), minisign.Sign(private, []byte(ts.ReadFile(args[1]))), 0o644))
}

// record DATA WORD NODE ...: writes into the record of a stopped server what a
// machine's turns would have left there.
//
//	reads NODE VERSION...      a Redfish reading of firmware items BMC_0, BMC_1, …
//	judged NODE RUN RESULT     a burn-in run of the request, with its verdict
//	flashes NODE               a firmware step that must not be interrupted
func record(ts *testscript.TestScript, _ bool, args []string) {
	ctx := context.Background()
	store, err := sqlstore.Open(ctx, sqlstore.Options{DSN: filepath.Join(ts.MkAbs(args[0]), "record.db"), Site: "site"})
	ts.Check(err)
	defer func() { ts.Check(store.Close()) }()
	n, err := store.Node(ctx, inventory.NodeID(args[2]))
	ts.Check(err)
	switch args[1] {
	case "reads":
		o := inventory.Observation{Node: n.ID, Rack: n.Rack, Source: inventory.SourceRedfish, At: time.Now()}
		for i, v := range args[3:] {
			o.Components = append(o.Components, inventory.Component{Key: inventory.Key{Kind: inventory.KindFirmware, Slot: fmt.Sprintf("BMC_%d", i)}, Firmware: v, State: inventory.StatePresent})
		}
		_, err = store.Observe(ctx, o)
	case "judged":
		err = judgedRun(ctx, store, n, inventory.RunID(args[3]), inventory.Result(args[4]))
	case "flashes":
		_, err = openRun(ctx, store, n, inventory.OpFirmware, "")
	default:
		ts.Fatalf("record knows no %s", args[1])
	}
	ts.Check(err)
}

// openRun takes the turn of a node and opens a run there.
func openRun(ctx context.Context, store *sqlstore.Store, n inventory.Node, op inventory.OpKind, parent inventory.RunID) (inventory.RunID, error) {
	if err := store.Wake(ctx, inventory.NodeSubject(n.ID)); err != nil {
		return "", err
	}
	claims, err := store.Claim(ctx, "script", 100)
	if err != nil {
		return "", err
	}
	for _, c := range claims {
		if c.Subject != inventory.NodeSubject(n.ID) {
			continue
		}
		run, err := store.StartRun(ctx, c, op, parent, "")
		if err != nil {
			return "", err
		}
		c.Run = run
		o := inventory.Operation{Run: run, Kind: op, Step: "flash bmc running", Abort: inventory.AbortNever, Since: time.Now()}
		return run, store.Apply(ctx, c, inventory.Change{Operation: &o})
	}
	return "", fmt.Errorf("%s is not due among %d", n.Address, len(claims))
}

func judgedRun(ctx context.Context, store *sqlstore.Store, n inventory.Node, parent inventory.RunID, r inventory.Result) error {
	run, err := openRun(ctx, store, n, inventory.OpBurnIn, parent)
	if err != nil {
		return err
	}
	v := burnin.Verdict{Plan: "smoke", Version: 1, Result: r, Gates: []burnin.GateVerdict{{Gate: burnin.GateSuite, Result: r, Measured: 3, Expected: 4,
		Reasons: []burnin.Reason{{ID: "x", Owner: inventory.OwnerVendor, Sentence: "drive SER-A has 1 error"}}}}}
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	doc, err := store.Put(ctx, inventory.DocVerdict, raw)
	if err != nil {
		return err
	}
	for _, e := range v.Evidence(burnin.Subject{Node: n.ID, Run: run, Attempt: 1, Document: doc, At: time.Now()}) {
		if _, err := store.File(ctx, e); err != nil {
			return err
		}
	}
	return nil
}
