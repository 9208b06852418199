package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
)

// ErrInvalid marks a configuration that cannot be used.
var ErrInvalid = errors.New("configuration")

// Load reads defaults, then the file (if any), then RACKWRIGHT_* variables
// (RACKWRIGHT_MANAGEMENT_ADDRESS), then set (dotted keys from flags). The error
// joins every fault.
func Load(file string, set map[string]any) (Config, error) {
	v := viper.New()
	defaults(v, "", reflect.ValueOf(Default()))
	v.SetEnvPrefix("RACKWRIGHT")
	v.SetEnvKeyReplacer(strings.NewReplacer(".", "_"))
	v.AutomaticEnv()
	if file != "" {
		v.SetConfigFile(file)
		v.SetConfigType("yaml")
		if err := v.ReadInConfig(); err != nil {
			return Config{}, fmt.Errorf("%w: %s: %w", ErrInvalid, file, err)
		}
	}
	for key, value := range set {
		v.Set(key, value)
	}
	var c Config
	if err := v.UnmarshalExact(&c, func(d *mapstructure.DecoderConfig) { d.WeaklyTypedInput = true }); err != nil {
		return c, fmt.Errorf("%w %s: %w", ErrInvalid, where(file), explain(err))
	}
	if err := errors.Join(c.faults()...); err != nil {
		return c, fmt.Errorf("%w %s: %w", ErrInvalid, where(file), err)
	}
	return c, nil
}

func where(file string) string {
	if file == "" {
		return "from defaults and RACKWRIGHT_* variables"
	}
	return file
}

// explain names each unknown key with the nearest one that exists.
func explain(err error) error {
	text := err.Error()
	_, list, ok := strings.Cut(text, "invalid keys: ")
	if !ok {
		return err
	}
	list, _, _ = strings.Cut(list, "\n")
	var faults []error
	for _, name := range strings.Split(list, ", ") {
		faults = append(faults, fmt.Errorf("unknown key %q: is %q meant? all keys: rackwright config print", name, nearest(name)))
	}
	return errors.Join(faults...)
}

// nearest is the word of a key, or the whole key, that a name was meant to be.
func nearest(name string) string {
	best := ""
	for _, key := range Keys() {
		for _, word := range append(strings.Split(key, "."), key) {
			if best == "" || distance(name, word) < distance(name, best) {
				best = word
			}
		}
	}
	return best
}

// distance is a rough edit distance, enough to name a typing error.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			keep := row[j+1]
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(row[j+1]+1, row[j]+1, before+cost)
			before = keep
		}
	}
	return row[len(b)]
}

// Keys lists every dotted key.
func Keys() []string {
	v := viper.New()
	defaults(v, "", reflect.ValueOf(Default()))
	keys := v.AllKeys()
	slices.Sort(keys)
	return keys
}

// defaults registers every field, so that a variable alone can set it.
func defaults(v *viper.Viper, prefix string, of reflect.Value) {
	for i := range of.NumField() {
		key := prefix + of.Type().Field(i).Tag.Get("mapstructure")
		if of.Field(i).Kind() == reflect.Struct {
			defaults(v, key+".", of.Field(i))
			continue
		}
		v.SetDefault(key, of.Field(i).Interface())
	}
}

// faults lists everything that is out of range.
func (c Config) faults() []error {
	var out []error
	fault := func(key, format string, args ...any) {
		out = append(out, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
	if c.Site == "" || strings.ContainsAny(c.Site, " /:") {
		fault("site", "%q: give a short name without spaces, slashes or colons", c.Site)
	}
	if c.Data == "" {
		fault("data", "name a folder")
	}
	if _, _, err := net.SplitHostPort(c.Management.Address); err != nil {
		fault("management.address", "%q: write host:port", c.Management.Address)
	}
	if (c.Management.Certificate == "") != (c.Management.Key == "") {
		fault("management.certificate", "give certificate and key together, or neither")
	}
	out = append(out, c.Provisioning.faults(c.Management.Address)...)
	for _, text := range c.Redfish.Networks {
		if _, err := netip.ParsePrefix(text); err != nil {
			fault("redfish.networks", "%q: write 10.0.0.0/24", text)
		}
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log.Level) {
		fault("log.level", "%q: use debug, info, warn or error", c.Log.Level)
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		fault("log.format", "%q: use text or json", c.Log.Format)
	}
	return append(out, c.times()...)
}

// watchLongest is how long leaks may go unread.
const watchLongest = 5 * time.Minute

// times: a rhythm that cannot keep its own promises is refused.
func (c Config) times() []error {
	var out []error
	for key, d := range map[string]time.Duration{"conductor.lease": c.Conductor.Lease, "conductor.poll": c.Conductor.Poll, "conductor.cut": c.Conductor.Cut,
		"conductor.renew": c.Conductor.Renew, "conductor.backoff": c.Conductor.Backoff, "conductor.settle": c.Conductor.Settle, "firmware.quiet": c.Firmware.Quiet,
		"redfish.again": c.Redfish.Again, "redfish.quiet": c.Redfish.Quiet, "redfish.watch": c.Redfish.Watch, "burnin.heartbeat": c.BurnIn.Heartbeat, "burnin.boot": c.BurnIn.Boot} {
		if d <= 0 {
			out = append(out, fmt.Errorf("%s: %s: write a time such as 30s", key, d))
		}
	}
	if c.Redfish.Watch > watchLongest {
		out = append(out, fmt.Errorf("redfish.watch: %s: use at most %s: between two looks a leak is seen by nobody here", c.Redfish.Watch, watchLongest))
	}
	if c.Redfish.Look < 0 {
		out = append(out, fmt.Errorf("redfish.look: %s: write a time such as 15m, or 0 for never", c.Redfish.Look))
	}
	k := c.Conductor
	if k.Cut >= k.Lease || k.Margin >= k.Lease || k.Renew >= k.Lease {
		out = append(out, fmt.Errorf("conductor.lease: %s must be longer than cut (%s), margin (%s) and renew (%s)", k.Lease, k.Cut, k.Margin, k.Renew))
	}
	if k.Parallel < 1 || k.Parallel > 1024 {
		out = append(out, fmt.Errorf("conductor.parallel: %d: use 1 to 1024", k.Parallel))
	}
	slices.SortFunc(out, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return out
}

// Value is the value of a dotted key, as the file would say it; a DSN shows no
// password.
func Value(c Config, key string) any {
	of := reflect.ValueOf(c)
	for _, name := range strings.Split(key, ".") {
		for i := range of.NumField() {
			if of.Type().Field(i).Tag.Get("mapstructure") == name {
				of = of.Field(i)
				break
			}
		}
	}
	if d, ok := of.Interface().(time.Duration); ok {
		return d.String()
	}
	if key == "database" && strings.Contains(c.Database, "@") {
		return "(set; not shown)"
	}
	return of.Interface()
}
