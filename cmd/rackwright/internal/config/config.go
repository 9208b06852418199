package config

import (
	"time"
)

// Config is the whole configuration of one server. Every field has a default.
type Config struct {
	Site         string       `mapstructure:"site"`     // name of the site; its chain takes what belongs to no rack
	Data         string       `mapstructure:"data"`     // folder of record, keys and blobs, mode 0700
	Database     string       `mapstructure:"database"` // PostgreSQL DSN; empty: SQLite in the data folder
	Management   Listener     `mapstructure:"management"`
	Provisioning Provisioning `mapstructure:"provisioning"`
	Conductor    Conductor    `mapstructure:"conductor"`
	Firmware     Firmware     `mapstructure:"firmware"`
	Redfish      Redfish      `mapstructure:"redfish"`
	BurnIn       BurnIn       `mapstructure:"burnin"`
	Log          Log          `mapstructure:"log"`
}

// Listener is the address people and programs speak to, always over TLS.
type Listener struct {
	Address     string `mapstructure:"address"`     // host:port
	Certificate string `mapstructure:"certificate"` // PEM file; empty: one is made in the data folder
	Key         string `mapstructure:"key"`
}

// Provisioning is where machines speak: boot files over HTTP, agents over TLS,
// DHCP and TFTP. None of it is ever the management address.
type Provisioning struct {
	Address string `mapstructure:"address"` // IPv4:port of HTTP boot, as machines reach it; empty: no network boot
	Agents  string `mapstructure:"agents"`  // IPv4:port of the agents' HTTPS; empty: the same host, port 8081
	DHCP    string `mapstructure:"dhcp"`    // off, proxy, proxy-4011-only or authoritative
	// Interfaces get one DHCP socket each; none: one socket on the address's host, for relays.
	Interfaces []string `mapstructure:"interfaces"`
	Subnets    []string `mapstructure:"subnets"`  // 10.0.0.0/24=10.0.0.100-10.0.0.200, and in proxy mode 10.0.0.0/24
	Programs   string   `mapstructure:"programs"` // folder of boot programs (snponly.efi, undionly.kpxe), as Debian's ipxe has them
	Ports      Ports    `mapstructure:"ports"`
	// Args are kernel arguments for all machines, such as console=ttyS0,115200.
	Args []string `mapstructure:"args"`
	// Advertise answers IPv6 router solicitations: only on a link that is ours alone.
	Advertise bool `mapstructure:"advertise"`
}

// Ports are UDP ports; 0 means any free one, for tests and the demo.
type Ports struct {
	DHCP  int `mapstructure:"dhcp"`
	Proxy int `mapstructure:"proxy"`
	TFTP  int `mapstructure:"tftp"`
}

// Conductor is the rhythm of the work (lifecycle.md §8).
type Conductor struct {
	Parallel int           `mapstructure:"parallel"` // turns at once
	Lease    time.Duration `mapstructure:"lease"`
	Grace    time.Duration `mapstructure:"grace"`
	Poll     time.Duration `mapstructure:"poll"`
	Cut      time.Duration `mapstructure:"cut"`
	Renew    time.Duration `mapstructure:"renew"`
	Margin   time.Duration `mapstructure:"margin"`
	Backoff  time.Duration `mapstructure:"backoff"`
	Longest  time.Duration `mapstructure:"longest"`
	Settle   time.Duration `mapstructure:"settle"`
}

// Firmware says whose baselines count and how long silence means "not started".
type Firmware struct {
	Keys  []string      `mapstructure:"keys"` // minisign public keys, RW…
	Quiet time.Duration `mapstructure:"quiet"`
}

// Redfish bounds what is asked of BMCs.
type Redfish struct {
	Again    time.Duration `mapstructure:"again"`    // a reading that opens no gate is repeated after this
	Quiet    time.Duration `mapstructure:"quiet"`    // a reset of unknown outcome that left no trace within this never began
	PerBMC   int           `mapstructure:"per_bmc"`  // requests in flight per BMC, one of them writing
	Networks []string      `mapstructure:"networks"` // where BMCs may be; empty: anywhere
	Watch    time.Duration `mapstructure:"watch"`    // how often leak detectors are read between sweeps
	Look     time.Duration `mapstructure:"look"`     // how often networks are searched for BMCs that no node has; 0: never; one of more than 65,536 addresses by SSDP only
}

// BurnIn says which plan and image are used where nobody names one, and how
// long an agent may be silent.
type BurnIn struct {
	Plan      string        `mapstructure:"plan"`
	Image     string        `mapstructure:"image"`
	Heartbeat time.Duration `mapstructure:"heartbeat"`
	Boot      time.Duration `mapstructure:"boot"` // longest time from power-on to the agent's first word
}

// Log says what is logged where; logs go to standard error.
type Log struct {
	Level  string `mapstructure:"level"`  // debug, info, warn, error
	Format string `mapstructure:"format"` // text or json
}

// Default is the configuration of a server that nobody configured.
func Default() Config {
	return Config{Site: "site", Data: "rackwright-data",
		Management:   Listener{Address: "127.0.0.1:8443"},
		Provisioning: Provisioning{DHCP: "off", Programs: "/usr/lib/ipxe", Ports: Ports{DHCP: 67, Proxy: 4011, TFTP: 69}},
		Conductor: Conductor{Parallel: 32, Lease: time.Minute, Grace: 15 * time.Second, Poll: time.Second, Cut: 45 * time.Second, Renew: 15 * time.Second,
			Margin: 30 * time.Second, Backoff: 2 * time.Second, Longest: time.Minute, Settle: 10 * time.Second},
		Firmware: Firmware{Quiet: 15 * time.Minute},
		Redfish:  Redfish{Again: time.Minute, Quiet: 30 * time.Second, PerBMC: 2, Look: 15 * time.Minute, Watch: 30 * time.Second},
		BurnIn:   BurnIn{Plan: "x86", Image: "burnin", Heartbeat: 5 * time.Minute, Boot: 20 * time.Minute},
		Log:      Log{Level: "info", Format: "text"}}
}
