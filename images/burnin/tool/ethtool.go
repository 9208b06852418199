package tool

import (
	"bytes"
	"fmt"
	"strconv"
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

// NICLink is what ethtool says about one interface's link. MbitS is 0 when the
// link is down or the driver does not know.
type NICLink struct {
	Up    bool
	MbitS int
}

// EthtoolLink reads ethtool without options.
func EthtoolLink(out []byte) (NICLink, error) {
	f, err := colons("ethtool", out)
	if err != nil {
		return NICLink{}, err
	}
	up, ok := f["Link detected"]
	if !ok {
		return NICLink{}, wrong("ethtool", "no link state in %d bytes of output", len(out))
	}
	l := NICLink{Up: strings.HasPrefix(up, "yes")}
	if text, ok := strings.CutSuffix(f["Speed"], "Mb/s"); ok {
		if l.MbitS, err = strconv.Atoi(text); err != nil || l.MbitS < 0 {
			return NICLink{}, wrong("ethtool", "speed %q", f["Speed"])
		}
	}
	return l, nil
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
