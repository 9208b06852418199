package main

import (
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/config"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/server"
)

// version is what the build knows of itself; nothing is stamped by hand.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return info.Main.Version + " " + s.Value[:min(12, len(s.Value))]
		}
	}
	return info.Main.Version
}

// configured adds --config and --set to a command that opens the record itself.
func configured(c *cobra.Command) func() (config.Config, error) {
	file := c.Flags().StringP("config", "c", os.Getenv("RACKWRIGHT_CONFIG"), "configuration file (YAML)")
	set := c.Flags().StringToString("set", nil, "one setting, such as --set site=ams1")
	data := c.Flags().String("data", "", "data folder")
	return func() (config.Config, error) {
		values := map[string]any{}
		for k, v := range *set {
			values[k] = v
		}
		if *data != "" {
			values["data"] = *data
		}
		c, err := config.Load(*file, values)
		if err != nil {
			return c, fmt.Errorf("%w: %w", errUsage, err)
		}
		return c, nil
	}
}

func logger(s *streams, c config.Log) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Level)) // checked when the configuration was read
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(s.err, o))
	}
	return slog.New(slog.NewTextHandler(s.err, o))
}

func (a *app) serveCmd() *cobra.Command {
	c := &cobra.Command{Use: "serve", Short: "Run the server of a site", Args: exactly(0, "no argument"),
		Example: "  rackwright serve --data /var/lib/rackwright --set management.address=10.0.0.5:8443\n  rackwright serve --config /etc/rackwright.yaml"}
	load := configured(c)
	var show, admin, fresh bool
	c.Flags().BoolVar(&show, "show-config", false, "print the configuration that would be used, and stop")
	c.Flags().BoolVar(&admin, "admin-token", false, "print a new token of the first admin, for 24 hours: the old one is lost")
	c.Flags().BoolVar(&fresh, "new-keys", false, "make new keys for a record that has lost its own: every sealed BMC password is lost")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		if show {
			return a.showConfig(cfg)
		}
		if os.Getenv("DEBUG_BMCLIB") == "true" { // the library then prints whole requests, passwords included
			return fmt.Errorf("%w: DEBUG_BMCLIB=true would print BMC passwords; unset it and start again", errUsage)
		}
		s, err := server.New(c.Context(), server.Options{Config: cfg, Version: version(), Log: logger(a.streams, cfg.Log), NewAdmin: admin, NewKeys: fresh})
		if err != nil {
			return err
		}
		hello := fmt.Sprintf("rackwright %s serves https://%s\nkey pin %s\n", version(), s.Address(), s.Pin())
		if !s.Bootstrap.IsZero() {
			hello += fmt.Sprintf("admin token (shown once, counts 24 hours): %s\n", s.Bootstrap.Reveal())
		}
		fmt.Fprint(a.err, hello) // in one piece: who waits for the first line has the token too
		return s.Run(c.Context())
	}
	return c
}

func (a *app) openapiCmd() *cobra.Command {
	return &cobra.Command{Use: "openapi", Short: "Print the API's OpenAPI document", Args: exactly(0, "no argument"), Example: "  rackwright openapi > openapi.json", RunE: func(*cobra.Command, []string) error {
		raw, err := (&api.Service{}).OpenAPI()
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(a.out, string(raw))
		return err
	}}
}
