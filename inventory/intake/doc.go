// Package intake reads what vendors and planners send: manifests (own YAML or
// JSON, and CSV), rack types and box codes.
//
// It never guesses silently. A row it cannot read is quarantined as an
// [inventory.RowFault] with its row, column, reason and fix, while good rows
// are kept. Passwords leave the document at once: they go to
// Manifest.Secrets and are blanked in the kept copy, whose digest is
// Manifest.Source, so the same file again gives the same digest.
//
// # Manifest, YAML or JSON
//
// Unknown keys are refused with their line and the nearest known key.
//
//	schema: rackwright/manifest/1   # required
//	name: D-118                     # delivery or order, free text
//	site: ams1                      # default of every rack
//	racks:
//	  - name: A12                   # letters, digits, - and _; required
//	    site: ams1
//	    position: hall 2, row 3
//	    serial: RK0001
//	    type: hgx-8                 # name of a rack type, or the rack type itself
//	    nodes:
//	      - slot: C01               # required, or address A12/C01
//	        kind: compute           # optional; must agree with the slot
//	        manufacturer: Example
//	        model: HGX-B200
//	        serial: SN0001
//	        profile: ami            # BMC profile; default: the slot's
//	        uuid: 4c4c4544-0000-4000-8000-000000000000
//	        macs: ["02:00:00:00:00:01"]
//	        note: free text
//	        bmc: {mac: "02:00:00:00:01:01", url: "https://192.0.2.1", system: "", user: admin, password: secret}
//	        parts:
//	          - {kind: gpu, slot: GPU0, manufacturer: NVIDIA, model: B200, serial: G1, firmware: "96.00"}
//	          - {kind: dimm, model: M321, quantity: 32, size_mib: 65536}   # a line by quantity
//	    parts:                      # the same, with node: C01 (or parent: C01)
//
// # Manifest, CSV
//
// The columns are rack, slot, class, manufacturer, part_number, serial,
// mac_bmc, mac, parent, quantity, note, and optionally site, firmware, bmc_url,
// bmc_user, bmc_password, uuid, profile, size_mib. The delimiter is a comma,
// semicolon or tab; the text is UTF-8, UTF-16 or Windows-1252. A row of class rack
// names the rack type in part_number and the position in note; a row whose
// class is a node kind and that has no parent is a node; every other row is a part:
// its slot is "C07/GPU2", or "GPU2" with parent "C07". [WriteCSV] writes the
// same columns.
//
// Entry points: [ParseManifest], [ReadManifest], [ParseRackType], [RackTypes],
// [ParseCode], [WriteCSV].
package intake
