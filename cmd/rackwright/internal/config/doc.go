// Package config reads the configuration of the server: defaults, one YAML
// file and RACKWRIGHT_* variables, by viper. It is strict: an unknown key or a
// value out of range is refused, and all faults are reported at once, each with
// where and how to fix it.
//
// Entry points: [Load], [Config], [Default].
package config
