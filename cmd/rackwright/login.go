package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/client"
	"github.com/rackwright/rackwright/inventory"
)

func (a *app) loginCmd() *cobra.Command {
	return &cobra.Command{Use: "login SERVER", Short: "Remember a server, its key and a token (file mode 0600)",
		Long: "Login reads the token from the terminal without showing it, or from standard input. The server's public key is pinned: compare the printed pin with the one the server printed when it started.",
		Args: exactly(1, "the server's address, https://host:8443"), Example: "  rackwright login https://10.0.0.5:8443\n  rackwright login https://10.0.0.5:8443 < token.txt", RunE: func(c *cobra.Command, args []string) error {
			pin := a.pin
			if pin == "" {
				var err error
				if pin, err = fetchPin(args[0]); err != nil {
					return err
				}
			}
			token, err := a.readToken()
			if err != nil {
				return err
			}
			cl, err := client.New(client.Login{Server: args[0], Pin: pin, Token: inventory.NewSecret(token)})
			if err != nil {
				return err
			}
			me, err := cl.Me(c.Context())
			if err != nil {
				return err
			}
			path, err := loginFile()
			if err != nil {
				return err
			}
			raw, err := json.MarshalIndent(remembered{Server: args[0], Pin: pin, Token: token}, "", "  ")
			if err != nil {
				return err
			}
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				return fmt.Errorf("folder of the login file: %w", err)
			}
			if err := os.WriteFile(path, raw, 0o600); err != nil {
				return fmt.Errorf("login file: %w", err)
			}
			fmt.Fprintf(a.err, "server key pin %s\n", pin)
			return a.print(table{columns: []string{"person", "name", "server"}, value: me, rows: [][]string{{string(me.Person), me.Name, args[0]}}})
		}}
}

// fetchPin reads the key the server shows now. Whether it is the right server
// is for the person to compare: no public CA knows a hall's server.
func fetchPin(server string) (string, error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("%w: server %q: write https://host:8443", errUsage, server)
	}
	if u.Scheme == "http" {
		return "", nil
	}
	conn, err := tls.Dial("tcp", u.Host, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
	if err != nil {
		return "", fmt.Errorf("%s: %w: %w", server, client.ErrUnreachable, err)
	}
	defer conn.Close()
	return client.KeyPin(conn.ConnectionState().PeerCertificates[0]), nil
}

func (a *app) readToken() (string, error) {
	if t := os.Getenv("RACKWRIGHT_TOKEN"); t != "" {
		return t, nil
	}
	if isTTY(a.in) {
		fmt.Fprint(a.err, "token: ")
		raw, err := term.ReadPassword(int(a.in.Fd()))
		fmt.Fprintln(a.err)
		return strings.TrimSpace(string(raw)), err
	}
	line, err := bufio.NewReader(a.in).ReadString('\n')
	if line == "" && err != nil {
		return "", fmt.Errorf("%w: no token on standard input", errUsage)
	}
	return strings.TrimSpace(line), nil
}

// unsaid keeps what a change of a person does not say: a new name takes no role away.
func unsaid(c *cobra.Command, cl *client.Client, p inventory.Person) (inventory.Person, error) {
	all, err := cl.People(c.Context())
	if err != nil {
		return p, err
	}
	for _, old := range all {
		if old.ID != p.ID {
			continue
		}
		if !c.Flags().Changed("role") {
			if c.Flags().Changed("rack") || c.Flags().Changed("for") {
				return p, fmt.Errorf("%w: --rack and --for are of roles; give --role, all that %s shall have", errUsage, p.ID)
			}
			p.Grants = old.Grants
		}
		if !c.Flags().Changed("name") {
			p.Name = old.Name
		}
		p.Disabled = old.Disabled
	}
	return p, nil
}

func (a *app) peopleCmd() *cobra.Command {
	people := noun("people", "People, grants and tokens (admins)", "  rackwright people list\n  rackwright people save tess --name \"Tess\" --role technician\n  rackwright people token tess --for 720h")
	list := &cobra.Command{Use: "list", Short: "List people", RunE: func(c *cobra.Command, _ []string) error {
		cl, err := a.connect()
		if err != nil {
			return err
		}
		all, err := cl.People(c.Context())
		if err != nil {
			return err
		}
		t := table{columns: []string{"person", "name", "grants", "disabled"}, value: all, empty: "nobody"}
		for _, p := range all {
			t.rows = append(t.rows, []string{string(p.ID), p.Name, grants(p.Grants), fmt.Sprint(p.Disabled)})
		}
		return a.print(t)
	}}
	var name string
	var roles, racks []string
	var life time.Duration
	save := &cobra.Command{Use: "save PERSON", Short: "Add a person, or change the name or the roles; what is not given stays", Example: "  rackwright people save vendor1 --name \"Vendor One\" --role vendor --rack A12 --for 120h", Args: exactly(1, "a person id")}
	save.Flags().StringVar(&name, "name", "", "full name")
	save.Flags().StringSliceVar(&roles, "role", nil, "viewer, technician, facilities, vendor, automation, acceptor, admin")
	save.Flags().StringSliceVar(&racks, "rack", nil, "racks the roles are for; default: the whole site (vendors and acceptors must name theirs)")
	save.Flags().DurationVar(&life, "for", 0, "how long the roles count; default: until changed")
	save.RunE = func(c *cobra.Command, args []string) error {
		p := inventory.Person{ID: inventory.PersonID(args[0]), Name: name}
		for _, r := range roles {
			g := inventory.Grant{Role: inventory.Role(r)}
			for _, rack := range racks {
				g.Racks = append(g.Racks, inventory.RackID(rack))
			}
			if life > 0 {
				g.Until = time.Now().Add(life).UTC()
			}
			p.Grants = append(p.Grants, g)
		}
		cl, err := a.connect()
		if err != nil {
			return err
		}
		if p, err = unsaid(c, cl, p); err != nil {
			return err
		}
		if p, err = cl.SavePerson(c.Context(), p); err != nil {
			return err
		}
		return a.print(table{columns: []string{"person", "name", "grants"}, value: p, rows: [][]string{{string(p.ID), p.Name, grants(p.Grants)}}})
	}
	var until time.Duration
	token := &cobra.Command{Use: "token PERSON", Short: "Make a token for a person; it is shown once", Args: exactly(1, "a person id")}
	token.Flags().DurationVar(&until, "for", 90*24*time.Hour, "how long it counts")
	token.RunE = func(c *cobra.Command, args []string) error {
		cl, err := a.connect()
		if err != nil {
			return err
		}
		t, err := cl.MakeToken(c.Context(), api.TokenRequest{Person: inventory.PersonID(args[0]), Until: time.Now().Add(until)})
		if err != nil {
			return err
		}
		return a.print(table{columns: []string{"token", "person", "until"}, value: t, rows: [][]string{{t.Token, string(t.Person), stamp(t.Until)}}})
	}
	people.AddCommand(list, save, token)
	return people
}

func grants(list []inventory.Grant) string {
	var out []string
	for _, g := range list {
		text := string(g.Role)
		for i, r := range g.Racks {
			sep := ","
			if i == 0 {
				sep = "@"
			}
			text += sep + string(r)
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}
