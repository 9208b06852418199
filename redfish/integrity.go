package redfish

import (
	"context"
	"sort"

	"github.com/rackwright/rackwright/inventory"
)

// Integrity is one ComponentIntegrity of a service: a root of trust that can
// prove what a part runs. It is listed here; asking it for signed measurements
// is the attestation of firmware.md §12.
type Integrity struct {
	ID      string
	Path    string
	Type    string // SPDM, TPM, OEM
	Version string // of the protocol, "1.1.0"
	Enabled bool
	Target  string   // the root of trust itself
	Covers  []string // parts it protects
	Signs   bool     // offers SPDMGetSignedMeasurements
	State   string
}

// Integrity lists the roots of trust. A service without the list gives none and
// no error; an entry that cannot be read is an *Error, because a root of trust
// that is silent is not one that agrees.
func (b *BMC) Integrity(ctx context.Context) ([]Integrity, error) {
	t, err := walkBy(ctx, b, func(kind string) []link {
		if kind == "ServiceRoot" {
			return []link{{"ComponentIntegrity", "ComponentIntegrity", []inventory.Kind{inventory.KindERoT}, ""}}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, f := range t.faults {
		return nil, &Error{Op: "list component integrity", Endpoint: b.endpoint.URL, Err: faultError(f)}
	}
	return integrityOf(t), nil
}

type faultError inventory.ReadFault

func (f faultError) Error() string { return f.Path + ": " + f.Reason }

func integrityOf(t *tree) []Integrity {
	var out []Integrity
	for _, r := range t.order {
		if r.kind != "ComponentIntegrity" {
			continue
		}
		out = append(out, Integrity{ID: idOf(r), Path: r.id, Type: r.at("ComponentIntegrityType"), Version: r.at("ComponentIntegrityTypeVersion"),
			Enabled: r.at("ComponentIntegrityEnabled") == "true", Target: resourceKey(r.at("TargetComponentURI")), Covers: r.links("Links/ComponentsProtected"),
			Signs: len(extract(r.fields, "Actions/#ComponentIntegrity.SPDMGetSignedMeasurements")) > 0, State: r.at("Status/State")})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out
}
