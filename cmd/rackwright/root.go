package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/client"
	"github.com/rackwright/rackwright/inventory"
)

// streams are the program's three ends: stdout is data, stderr is progress.
type streams struct{ in, out, err *os.File }

// app is what every client verb shares.
type app struct {
	*streams
	server, pin string
	output      string
	color       string
}

func newRoot(s *streams) *cobra.Command {
	a := &app{streams: s}
	root := &cobra.Command{
		Use:           "rackwright",
		Version:       version(),
		Short:         "From delivery to a signed handover of GPU and Trainium racks",
		SilenceUsage:  true,
		SilenceErrors: true,
		Long: `Rackwright brings racks from delivery to a signed handover.

Start here:        rackwright demo
A real server:     rackwright serve, then rackwright login
Day to day:        rackwright get, describe, scan, diff, start, watch, sign
The end:           rackwright export, rackwright verify (offline)

Exit codes: 0 ok, 1 error, 2 usage, 3 not found, 4 conflict or locked,
5 findings open or package not valid, 6 denied, 7 timeout, 8 partial.`,
	}
	f := root.PersistentFlags()
	f.StringVar(&a.server, "server", os.Getenv("RACKWRIGHT_SERVER"), "server address, https://host:8443 ($RACKWRIGHT_SERVER)")
	f.StringVar(&a.pin, "pin", os.Getenv("RACKWRIGHT_PIN"), "SHA-256 of the server's public key ($RACKWRIGHT_PIN)")
	f.StringVarP(&a.output, "output", "o", "table", "table, wide, json, yaml, csv or name; json is a contract, tables are not")
	f.StringVar(&a.color, "color", "auto", "auto, always or never (NO_COLOR is obeyed)")
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return a.checkFlags() } // before anything is done
	root.AddCommand(append(a.verbs(), a.machineVerbs()...)...)
	demandWords(root)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fmt.Errorf("%w: %w", errUsage, err) })
	return root
}

// verbs lists every verb once.
func (a *app) verbs() []*cobra.Command {
	return []*cobra.Command{a.getCmd(), a.describeCmd(), a.importCmd(), a.scanCmd(), a.diffCmd(), a.startCmd(), a.waitCmd(), a.watchCmd(),
		a.holdCmd(), a.releaseCmd(), a.breakCmd(), a.waiveCmd(), a.disposeCmd(), a.signCmd(), a.exportCmd(), a.verifyCmd(), a.keyCmd(), a.loginCmd(), a.peopleCmd(),
		a.serveCmd(), a.buildCmd(), a.doctorCmd(), a.backupCmd(), a.restoreCmd(), a.fsckCmd(), a.configCmd(),
		a.demoCmd(), a.openapiCmd()}
}

// remembered is the login file: mode 0600, written by rackwright login.
type remembered struct {
	Server string `json:"server"`
	Pin    string `json:"pin,omitempty"`
	Token  string `json:"token"`
}

func loginFile() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("find the login file: %w", err)
	}
	return filepath.Join(dir, "rackwright", "login.json"), nil
}

// connect joins flags, environment and the login file, in this order. A token
// is never taken from a flag: it would stand in the process list.
func (a *app) connect() (*client.Client, error) {
	l := remembered{Server: a.server, Pin: a.pin, Token: os.Getenv("RACKWRIGHT_TOKEN")}
	if l.Server == "" || l.Token == "" {
		kept, err := readLogin()
		if err != nil {
			return nil, err
		}
		if l.Server == "" {
			l.Server, l.Pin = kept.Server, kept.Pin
		}
		if l.Token == "" {
			l.Token = kept.Token
		}
	}
	if l.Server == "" {
		return nil, fmt.Errorf("no server: run rackwright login https://host:8443, or set RACKWRIGHT_SERVER: %w", errUsage)
	}
	return client.New(client.Login{Server: l.Server, Pin: l.Pin, Token: inventory.NewSecret(l.Token)})
}

func readLogin() (remembered, error) {
	path, err := loginFile()
	if err != nil {
		return remembered{}, err
	}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return remembered{}, nil
	}
	var l remembered
	if err == nil {
		err = json.Unmarshal(raw, &l)
	}
	if err != nil {
		return l, fmt.Errorf("read %s: %w", path, err)
	}
	return l, nil
}

// noun is a verb that does nothing without the word after it.
func noun(use, short, example string) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Example: example}
}

// demandWords makes a missing or mistyped word after such a verb a usage error:
// cobra's own answer is the help and exit 0, which a script takes for success.
func demandWords(c *cobra.Command) {
	var known []string
	for _, sub := range c.Commands() {
		demandWords(sub)
		known = append(known, sub.Name())
	}
	if len(known) == 0 || c.RunE != nil || c.Parent() == nil {
		return
	}
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("%w: %s needs one of %s", errUsage, c.CommandPath(), strings.Join(known, ", "))
		}
		return fmt.Errorf("%w: %s %q: use one of %s", errUsage, c.CommandPath(), args[0], strings.Join(known, ", "))
	}
}

// exactly refuses a wrong number of arguments as a usage error.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != n {
			return fmt.Errorf("%w: expected %s, got %d arguments", errUsage, what, len(args))
		}
		return nil
	}
}

func atLeast(n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < n {
			return fmt.Errorf("%w: expected %s", errUsage, what)
		}
		return nil
	}
}
