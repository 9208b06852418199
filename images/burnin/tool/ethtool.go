package tool

import (
	"bytes"
	"fmt"
	"strings"
)

// NICInfo is what ethtool -i says about one interface.
type NICInfo struct{ Driver, Version, Firmware, Bus string }

// EthtoolInfo reads ethtool -i.
func EthtoolInfo(out []byte) (NICInfo, error) {
	f, err := colons("ethtool", out)
	if err != nil {
		return NICInfo{}, err
	}
	if f["driver"] == "" {
		return NICInfo{}, wrong("ethtool", "no driver in %d bytes of output", len(out))
	}
	return NICInfo{Driver: f["driver"], Version: f["version"], Firmware: f["firmware-version"], Bus: f["bus-info"]}, nil
}

func colons(tool string, out []byte) (map[string]string, error) {
	if len(bytes.TrimSpace(out)) == 0 {
		return nil, fmt.Errorf("%s: %w", tool, errEmpty)
	}
	f := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			if _, twice := f[key]; !twice {
				f[key] = strings.TrimSpace(value)
			}
		}
	}
	return f, nil
}
