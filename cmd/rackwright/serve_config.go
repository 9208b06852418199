package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/config"
)

// configCmd reads the configuration exactly as serve does.
func (a *app) configCmd() *cobra.Command {
	group := noun("config", "Check or print the configuration of the server", "  rackwright config check --config /etc/rackwright/rackwright.yaml\n  rackwright config print --data ./data")
	check := &cobra.Command{Use: "check", Short: "Report every fault at once; exit 2 when there is one", Args: exactly(0, "no argument")}
	load := configured(check)
	check.RunE = func(*cobra.Command, []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		return a.print(table{columns: []string{"configuration", "site", "data"}, value: map[string]any{"ok": true, "site": cfg.Site, "data": cfg.Data},
			rows: [][]string{{"ok", cfg.Site, cfg.Data}}})
	}
	show := &cobra.Command{Use: "print", Short: "Print every key with the value serve would use, as YAML (no secrets)", Args: exactly(0, "no argument")}
	loadToo := configured(show)
	show.RunE = func(*cobra.Command, []string) error {
		cfg, err := loadToo()
		if err != nil {
			return err
		}
		return a.showConfig(cfg)
	}
	group.AddCommand(check, show)
	return group
}

func (a *app) showConfig(cfg config.Config) error {
	flat := map[string]any{}
	for _, key := range config.Keys() {
		flat[key] = config.Value(cfg, key)
	}
	if a.output == "json" {
		return a.print(table{value: flat})
	}
	raw, err := yaml.Marshal(flat)
	if err != nil {
		return fmt.Errorf("print the configuration: %w", err)
	}
	_, err = a.out.Write(raw)
	return err
}
