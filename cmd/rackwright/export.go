package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rackwright/rackwright/inventory"
)

func (a *app) exportCmd() *cobra.Command {
	var file string
	c := &cobra.Command{Use: "export RACK", Short: "Fetch the signed handover package of a rack", Args: exactly(1, "a rack"),
		Example: "  rackwright export A12\n  rackwright export A12 -f /media/usb/A12.zip"}
	c.AddCommand(a.exportResultsCmd())
	var force bool
	c.Flags().StringVarP(&file, "file", "f", "", "where to write it; default RACK-handover.zip")
	c.Flags().BoolVar(&force, "force", false, "replace a file that is there")
	c.RunE = func(c *cobra.Command, args []string) error {
		cl, err := a.connect()
		if err != nil {
			return err
		}
		if file == "" {
			file = strings.ReplaceAll(args[0], "/", "-") + "-handover.zip"
		}
		if _, err := os.Stat(file); err == nil && !force {
			return fmt.Errorf("%s exists already; name a new file with -f, or say --force: %w", file, inventory.ErrConflict)
		}
		var n int64
		err = whole(file, 0o644, func(f *os.File) error {
			n, err = cl.Package(c.Context(), args[0], f)
			return err
		})
		if err != nil {
			return err
		}
		key, err := cl.Key(c.Context())
		if err != nil {
			return err
		}
		return a.print(table{columns: []string{"file", "bytes", "signer"}, value: map[string]any{"file": file, "bytes": n, "signer": key.Fingerprint},
			rows: [][]string{{file, fmt.Sprint(n), string(key.Fingerprint)}}})
	}
	return c
}

func (a *app) keyCmd() *cobra.Command {
	return &cobra.Command{Use: "key", Short: "Print the public key that this site signs packages with (PEM)", Args: exactly(0, "no argument"),
		Example: "  rackwright key > site.pem", RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect()
			if err != nil {
				return err
			}
			k, err := cl.Key(c.Context())
			if err != nil {
				return err
			}
			if a.output == "table" {
				fmt.Fprintf(a.err, "fingerprint %s\n", k.Fingerprint)
				_, err := fmt.Fprint(a.out, k.PEM)
				return err
			}
			return a.print(table{value: k, columns: []string{"fingerprint"}, rows: [][]string{{string(k.Fingerprint)}}})
		}}
}
