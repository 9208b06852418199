package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/handover"
)

// verifyCmd works offline: it reads the file and the keys it is given, nothing else.
func (a *app) verifyCmd() *cobra.Command {
	var keys, prints []string
	c := &cobra.Command{Use: "verify PACKAGE", Short: "Prove a handover package offline: exit 0 only if it is intact and its signer is known",
		Example: "  rackwright verify A12-handover.zip --key site.pem\n  rackwright verify A12-handover.zip --fingerprint sha256:…", Args: exactly(1, "a package")}
	c.Flags().StringSliceVar(&keys, "key", nil, "public key file (PEM) of a signer you trust")
	c.Flags().StringSliceVar(&prints, "fingerprint", nil, "fingerprint of a signer you trust, from paper")
	c.RunE = func(c *cobra.Command, args []string) error {
		trust, err := trusted(keys, prints)
		if err != nil {
			return err
		}
		f, err := os.Open(args[0])
		if err != nil {
			return fmt.Errorf("open the package: %w", err)
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return fmt.Errorf("open the package: %w", err)
		}
		report := handover.VerifyPackage(f, info.Size(), trust)
		if err := a.printReport(report, len(trust.Keys)+len(trust.Fingerprints) > 0); err != nil {
			return err
		}
		if !report.Verified() {
			return &findings{what: report.Verdict()}
		}
		return nil
	}
	return c
}

func (a *app) printReport(r handover.Report, given bool) error {
	t := table{columns: []string{"check", "result", "entry", "detail"}, value: r}
	for _, c := range r.Checks {
		result := "ok"
		if !c.OK {
			result = "BROKEN"
		}
		t.rows = append(t.rows, []string{c.Name, result, orDash(c.Entry), orDash(c.Detail)})
	}
	if err := a.print(t); err != nil {
		return err
	}
	if a.output != "table" && a.output != "wide" {
		return nil
	}
	if r.Simulated {
		fmt.Fprintln(a.out, "SIMULATED: this package has no value for hardware")
	}
	if r.Certificate != nil {
		for _, x := range r.Certificate.Excluded {
			fmt.Fprintf(a.out, "NOT covered: %s/%s (%s): %s\n", r.Rack, x.Slot, x.Kind, x.Reason)
		}
	}
	for _, n := range r.Notices {
		fmt.Fprintln(a.out, "notice: "+n)
	}
	switch {
	case r.Broken == nil && !r.Verified() && given:
		fmt.Fprintln(a.out, "It is signed by "+string(r.Key)+", and that is none of the keys you gave: another site's, or not what you were promised.")
	case r.Broken == nil && !r.Verified():
		fmt.Fprintln(a.out, "Give the signer's key (--key, from rackwright key) or its fingerprint from the paper certificate (--fingerprint); a key inside the package proves nothing.")
	}
	_, err := fmt.Fprintln(a.out, r.Verdict())
	return err
}

func trusted(keys, prints []string) (handover.Trust, error) {
	var t handover.Trust
	for _, name := range keys {
		raw, err := os.ReadFile(name)
		if err != nil {
			return t, fmt.Errorf("key file: %w", err)
		}
		block, _ := pem.Decode(raw)
		if block != nil && strings.Contains(block.Type, "PRIVATE") {
			return t, fmt.Errorf("%w: %s is a private key, which belongs to the server alone; export the public one with rackwright key", errUsage, name)
		}
		if block == nil {
			return t, fmt.Errorf("%w: %s is no PEM file; export it with rackwright key", errUsage, name)
		}
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return t, fmt.Errorf("%w: %s: %w", errUsage, name, err)
		}
		public, ok := key.(ed25519.PublicKey)
		if !ok {
			return t, fmt.Errorf("%w: %s holds no ed25519 key", errUsage, name)
		}
		t.Keys = append(t.Keys, public)
	}
	for _, text := range prints {
		d, err := inventory.ParseDigest(text)
		if err != nil {
			return t, fmt.Errorf("%w: --fingerprint: %w", errUsage, err)
		}
		t.Fingerprints = append(t.Fingerprints, d)
	}
	return t, nil
}
