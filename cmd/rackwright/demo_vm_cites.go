package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/handover"
)

// The entries of a package where a stranger looks for what ran where.
const (
	packCertificate = "certificate.json"
	packParts       = "components.json"
)

// citations shows where the certificate names the image that ran, and where the
// package names the serials that the booted machines read from their own DMI
// tables. A certificate without them is a finding.
func (a *app) citations(pack []byte, cert *handover.Certificate, image inventory.Digest) error {
	if !slices.Contains(cert.Cited["image"], image) {
		return &findings{what: fmt.Sprintf("the certificate cites the images %v, and %s ran", cert.Cited["image"], image)}
	}
	a.say("%s, cited.image: %s", packCertificate, image)
	read, err := dmiSerials(pack)
	if err != nil {
		return err
	}
	for _, m := range cert.Members {
		serials := read[m.ID]
		if !slices.Contains(serials, m.Serial) {
			return &findings{what: fmt.Sprintf("%s is certified as %s, and its DMI tables said %q", m.Address, m.Serial, serials)}
		}
		a.say("%s, %s: DMI serial %s, read in the booted machine; members[].serial of the certificate is the same", packParts, m.Address, m.Serial)
	}
	for _, x := range cert.Excluded {
		a.say("%s, excluded: %s: %s", packCertificate, x.Slot, x.Reason)
	}
	return nil
}

// readEntry decodes one JSON entry of a package.
func readEntry(pack []byte, name string, into any) error {
	z, err := zip.NewReader(bytes.NewReader(pack), int64(len(pack)))
	if err != nil {
		return fmt.Errorf("package: %w", err)
	}
	f, err := z.Open(name)
	if err != nil {
		return fmt.Errorf("package: %w", err)
	}
	defer f.Close()
	if err := json.NewDecoder(f).Decode(into); err != nil {
		return fmt.Errorf("package, %s: %w", name, err)
	}
	return nil
}

// dmiSerials are the serials that machines read from their DMI tables, by node.
func dmiSerials(pack []byte) (map[inventory.NodeID][]string, error) {
	var parts map[inventory.NodeID]struct {
		Observed []inventory.Component `json:"observed"`
	}
	if err := readEntry(pack, packParts, &parts); err != nil {
		return nil, err
	}
	out := map[inventory.NodeID][]string{}
	for node, p := range parts {
		for _, c := range p.Observed {
			for _, id := range c.IDs {
				if id.Kind == inventory.IDDMI && id.Source == inventory.SourceInband {
					out[node] = append(out[node], id.Raw)
				}
			}
		}
	}
	return out, nil
}
