package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) exportCmd() *cobra.Command {
	var file string
	c := &cobra.Command{Use: "export RACK", Short: "Fetch the signed handover package of a rack", Args: exactly(1, "a rack")}
	c.Flags().StringVarP(&file, "file", "f", "", "where to write it; default RACK-handover.zip")
	c.RunE = func(c *cobra.Command, args []string) error {
		cl, err := a.connect()
		if err != nil {
			return err
		}
		if file == "" {
			file = strings.ReplaceAll(args[0], "/", "-") + "-handover.zip"
		}
		part, err := os.OpenFile(file+".part", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
		if err != nil {
			return fmt.Errorf("write the package: %w", err)
		}
		n, err := cl.Package(c.Context(), args[0], part)
		if err == nil {
			err = part.Sync()
		}
		if err = errors.Join(err, part.Close()); err == nil {
			err = os.Rename(file+".part", file)
		}
		if err != nil {
			return errors.Join(err, os.Remove(file+".part"))
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
	return &cobra.Command{Use: "key", Short: "Print the public key that this site signs packages with (PEM)", RunE: func(c *cobra.Command, _ []string) error {
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
