package intake_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/intake"
)

const header = "rack,slot,class,manufacturer,part_number,serial,mac_bmc,mac,parent,quantity,note,site,firmware,bmc_url,bmc_user,bmc_password\n"

const goodYAML = `schema: rackwright/manifest/1
name: D-118
site: ams1
racks:
  - name: A12
    position: hall 2
    serial: RK0001
    type: hgx-8
    nodes:
      - slot: C01
        kind: compute
        manufacturer: Example
        model: HGX-8
        serial: SGH0001
        macs: ["02:00:00:00:00:01"]
        bmc: {mac: "02-00-00-00-01-01", url: "https://192.0.2.1", user: admin, password: hunter2secret}
        parts:
          - {kind: gpu, slot: GPU0, manufacturer: NVIDIA, model: B200, serial: G0001}
          - {kind: nic, slot: NIC0, serial: N0001, macs: ["02:00:00:00:00:01"]}
          - {kind: dimm, model: M321, quantity: 32, size_mib: 65536}
      - address: A12/S01
        serial: SW0001
    parts:
      - {node: C01, kind: psu, slot: PSU0, serial: P0001, parent: BOARD0}
`

const goodCSV = header +
	"A12,,rack,,hgx-8,RK0001,,,,,hall 2,ams1,,,,\n" +
	"A12,C01,compute,Example,HGX-8,SGH0001,02:00:00:00:01:01,02:00:00:00:00:01,,,,,,https://192.0.2.1,admin,hunter2secret\n" +
	"A12,C01/GPU0,gpu,NVIDIA,B200,G0001,,,,,,,,,,\n" +
	"A12,NIC0,nic,,,N0001,,02:00:00:00:00:01,C01,,,,,,,\n" +
	"A12,,dimm,,M321,,,,C01,32,,,,,,\n" +
	"A12,PSU0,psu,,,P0001,,,C01/BOARD0,,,,,,,\n" +
	"A12,A12/S01,switch,,,SW0001,,,,,,,,,,\n"

func parse(t *testing.T, text string) inventory.Manifest {
	t.Helper()
	m, err := intake.ParseManifest(strings.NewReader(text))
	if err != nil {
		t.Fatalf("ParseManifest: %v", err)
	}
	return m
}

func TestGoodManifest(t *testing.T) {
	y, c := parse(t, goodYAML), parse(t, goodCSV)
	for name, m := range map[string]inventory.Manifest{"yaml": y, "csv": c} {
		if len(m.Faults) != 0 || len(m.Racks) != 1 || len(m.Nodes) != 2 || len(m.Components["A12/C01"]) != 4 {
			t.Fatalf("%s: %+v", name, m)
		}
		if m.Racks[0].Site != "ams1" || m.Racks[0].Position != "hall 2" || m.Nodes[0].Serial != "SGH0001" || m.Nodes[1].Kind != inventory.KindSwitch {
			t.Errorf("%s: %+v %+v", name, m.Racks, m.Nodes)
		}
		secret := m.Secrets["factory/A12/C01"]
		if secret.User != "admin" || secret.Password.Reveal() != "hunter2secret" || m.Nodes[0].BMC.Credential != "factory/A12/C01" {
			t.Errorf("%s: password did not reach the secrets: %+v", name, secret)
		}
		raw, err := json.Marshal(m)
		if err != nil || bytes.Contains(raw, []byte("hunter2")) {
			t.Errorf("%s: password in the manifest's JSON (%v)", name, err)
		}
	}
	y.Components["A12/C01"][2].SizeMiB = 0 // the CSV does not state it
	if !reflect.DeepEqual(y.Components, c.Components) || !reflect.DeepEqual(y.Nodes, c.Nodes) || !reflect.DeepEqual(y.Racks, c.Racks) {
		t.Errorf("YAML and CSV of one rack differ\n%+v\n%+v", y.Components, c.Components)
	}
}

func TestSameFileSameDigest(t *testing.T) {
	for name, text := range map[string]string{"yaml": goodYAML, "csv": goodCSV} {
		a, kept, err := intake.ReadManifest(strings.NewReader(text), intake.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if b := parse(t, text); a.Source != b.Source || a.Source != inventory.DigestOf(kept) {
			t.Errorf("%s: digests %s %s", name, a.Source, b.Source)
		}
		if bytes.Contains(kept, []byte("hunter2")) || !bytes.Contains(kept, []byte("REDACTED")) {
			t.Errorf("%s: the kept copy holds the password:\n%s", name, kept)
		}
		again, err := intake.ParseManifest(bytes.NewReader(kept))
		if err != nil || len(again.Nodes) != 2 || len(again.Faults) != 0 {
			t.Errorf("%s: the kept copy cannot be read again: %v %+v", name, err, again.Faults)
		}
		if other := parse(t, strings.Replace(text, "SGH0001", "SGH0002", 1)); other.Source == a.Source {
			t.Errorf("%s: another serial, same digest", name)
		}
	}
}

func TestEncodings(t *testing.T) {
	text := strings.Replace(goodCSV, "hall 2", "Halle Süd", 1)
	want := parse(t, text)
	utf16le := []byte{0xFF, 0xFE}
	utf16be := []byte{}
	for _, u := range utf16.Encode([]rune(text)) {
		utf16le = append(utf16le, byte(u), byte(u>>8))
		utf16be = append(utf16be, byte(u>>8), byte(u))
	}
	for name, raw := range map[string][]byte{
		"BOM": append([]byte{0xEF, 0xBB, 0xBF}, text...), "UTF-16LE": utf16le, "UTF-16BE no mark": utf16be,
		"Windows-1252": bytes.ReplaceAll([]byte(text), []byte("ü"), []byte{0xFC}),
		"semicolon":    []byte(strings.ReplaceAll(text, ",", ";")), "tab": []byte(strings.ReplaceAll(text, ",", "\t")),
		"CRLF": []byte(strings.ReplaceAll(text, "\n", "\r\n")),
	} {
		m, err := intake.ParseManifest(bytes.NewReader(raw))
		if err != nil || !reflect.DeepEqual(m.Nodes, want.Nodes) || m.Racks[0].Position != "Halle Süd" || len(m.Faults) != 0 {
			t.Errorf("%s: %v %+v", name, err, m)
		}
	}
}

// TestQuarantine: every bad row is named with row, column and fix; every good row is kept.
func TestQuarantine(t *testing.T) {
	rack := "A12,,rack,,hgx-8,,,,,,,,,,,\n"
	node := "A12,C01,compute,Example,X,SN1,02:00:00:00:01:01,,,,,,,,,\n"
	for name, tc := range map[string]struct {
		rows  string // appended after rack and node, so their first line is 4
		row   int
		field string
		fix   string
	}{
		"spreadsheet serial":  {"A12,C02,compute,,,1.23457E+11,,,,,,,,,,\n", 4, "serial", "format the column as text"},
		"spreadsheet comma":   {"A12,C02,compute,,,\"1,23457E+11\",,,,,,,,,,\n", 4, "serial", "format the column as text"},
		"placeholder":         {"A12,C02,compute,,,To be filled by O.E.M.,,,,,,,,,,\n", 4, "serial", "label"},
		"repeated character":  {"A12,C02,compute,,,00000000,,,,,,,,,,\n", 4, "serial", "label"},
		"formula":             {"A12,C02,compute,,,=A1,,,,,,,,,,\n", 4, "serial", "no formula"},
		"duplicate serial":    {"A12,C02,compute,Example,X,sn1,,,,,,,,,,\n", 4, "serial", "labels"},
		"duplicate MAC":       {"A12,C02,compute,,,,020000000101,,,,,,,,,\n", 4, "mac", "labels"},
		"no MAC":              {"A12,C02,compute,,,,02:00,,,,,,,,,\n", 4, "mac_bmc", "six bytes"},
		"group MAC":           {"A12,C02,compute,,,,,03:00:00:00:00:01,,,,,,,,\n", 4, "mac", "label"},
		"unknown slot":        {"A12,C09,compute,,,,,,,,,,,,,\n", 4, "slot", "C0"},
		"slot taken twice":    {"A12,C01,compute,,,,,,,,,,,,,\n", 4, "slot", "one node"},
		"kind mismatch":       {"A12,S01,compute,,,,,,,,,,,,,\n", 4, "class", "switch"},
		"unknown rack":        {"A13,C02,compute,,,,,,,,,,,,,\n", 4, "rack", "class rack"},
		"rack twice":          {rack, 4, "rack", "one row"},
		"unknown type":        {"A14,,rack,,hgx8,,,,,,,,,,,\n", 4, "type", "hgx-8"},
		"part without node":   {"A12,C02/GPU0,gpu,,,,,,,,,,,,,\n", 4, "parent", "compute"},
		"unknown class":       {"A12,C01/GPU0,gpuu,,,,,,,,,,,,,\n", 4, "class", "gpu"},
		"part slot twice":     {"A12,C01/GPU0,gpu,,,,,,,,,,,,,\nA12,GPU0,gpu,,,,,,C01,,,,,,,\n", 5, "slot", "one part"},
		"quantity and serial": {"A12,,dimm,,,D1,,,C01,3,,,,,,\n", 4, "quantity", "one row"},
		"no quantity":         {"A12,,dimm,,,,,,C01,many,,,,,,\n", 4, "quantity", "whole number"},
		"too few cells":       {"A12,C02,compute\n", 4, "", "delimiters"},
		"broken quote":        {"A12,C02,comp\"ute,,,,,,,,,,,,,\n", 4, "", "quote"},
		"plain http":          {"A12,C02,compute,,,,,,,,,,,http://192.0.2.7,,\n", 4, "bmc_url", "https"},
	} {
		t.Run(name, func(t *testing.T) {
			good := "A12,C03,compute,,,SN3,,,,,,,,,,\n"
			m := parse(t, header+rack+node+tc.rows+good)
			if len(m.Faults) != 1 {
				t.Fatalf("faults: %+v", m.Faults)
			}
			f := m.Faults[0]
			if f.Row != tc.row || f.Field != tc.field || !strings.Contains(f.Fix+f.Reason, tc.fix) || f.Reason == "" || f.Fix == "" {
				t.Errorf("fault %+v, want row %d field %s, fix with %q", f, tc.row, tc.field, tc.fix)
			}
			if len(m.Nodes) != 2 || m.Nodes[1].Serial != "SN3" {
				t.Errorf("good rows were not kept: %+v", m.Nodes)
			}
		})
	}
}

func TestAllFaultsOfARow(t *testing.T) {
	m := parse(t, header+"A12,,rack,,hgx-8,,,,,,,,,,,\nA12,X9,compute,,,N/A,zz,,,,,,,ftp://x,,\n")
	var fields []string
	for _, f := range m.Faults {
		fields = append(fields, f.Field)
	}
	if want := []string{"serial", "mac_bmc", "bmc_url", "slot"}; len(fields) != len(want) {
		t.Errorf("fields %v, want %v in any order", fields, want)
	}
}

func TestStrictKeys(t *testing.T) {
	m := parse(t, strings.Replace(goodYAML, "        model: HGX-8", "        modle: HGX-8\n        pasword: hunter3secret", 1))
	if len(m.Faults) != 3 { // two keys of the node, and the rack's part whose node has no row
		t.Errorf("faults: %+v", m.Faults)
	}
	first := m.Faults[0]
	if first.Row != 13 || first.Field != "modle" || first.Fix != "write model instead of modle" {
		t.Errorf("first fault: %+v", first)
	}
	if len(m.Nodes) != 1 || m.Nodes[0].Slot != "S01" {
		t.Errorf("the good node was not kept: %+v", m.Nodes)
	}
	if strings.Contains(fmt.Sprint(m.Faults), "hunter") {
		t.Errorf("password in the quarantine: %+v", m.Faults)
	}
}

func TestSecretsOfQuarantinedRows(t *testing.T) {
	for name, row := range map[string]string{
		"bad serial": "A12,C02,compute,,,N/A,,,,,,,,,root,hunter2\n", "short row": "A12,C02,compute,hunter2\n",
		"url": "A12,C02,compute,,,,,,,,,,,https://root:hunter2@192.0.2.1,,\n",
	} {
		m, kept, err := intake.ReadManifest(strings.NewReader(header+"A12,,rack,,hgx-8,,,,,,,,,,,\n"+row), intake.Options{})
		if err != nil || len(m.Faults) == 0 {
			t.Fatalf("%s: %v %+v", name, err, m)
		}
		if strings.Contains(fmt.Sprint(m.Faults), "hunter2") || bytes.Contains(kept, []byte("hunter2")) || len(m.Secrets) != 0 {
			t.Errorf("%s: the password is still there: %+v\n%s", name, m.Faults, kept)
		}
	}
}

func TestUnreadable(t *testing.T) {
	for name, text := range map[string]string{
		"empty": " \n", "no schema": "racks: []\n", "other schema": "schema: x/9\n", "unknown top key": "schema: rackwright/manifest/1\nrack: []\n",
		"alias":          "schema: rackwright/manifest/1\nracks: &a []\nname: *a\n",
		"two documents":  goodYAML + "---\nschema: x\n",
		"unknown column": strings.Replace(goodCSV, "serial", "serail", 1), "column twice": strings.Replace(goodCSV, "note", "serial", 1),
		"no class": "rack,slot\nA,B\n", "broken JSON": "{\"schema\": \n\n!}", "scalar": "hello", "NUL": "rack,slot,class\n\x00,,\n",
	} {
		if m, err := intake.ParseManifest(strings.NewReader(text)); !errors.Is(err, inventory.ErrInvalid) {
			t.Errorf("%s: error %v, manifest %+v", name, err, m)
		}
	}
	if _, err := intake.ParseManifest(strings.NewReader(strings.Repeat("x", intake.MaxBytes+1))); !errors.Is(err, inventory.ErrInvalid) {
		t.Errorf("too large: %v", err)
	}
}

func TestJSONManifest(t *testing.T) {
	m := parse(t, "{\n\t\"schema\": \"rackwright/manifest/1\",\n\t\"racks\": [{\"name\": \"A1\", \"type\": \"x86-qemu\", \"nodes\": [{\"slot\": \"C01\", \"serial\": \"S1\"}, {\"slot\": \"C7\"}]}]\n}\n")
	if len(m.Nodes) != 1 || len(m.Faults) != 1 || m.Faults[0].Row != 3 || m.Faults[0].Field != "slot" {
		t.Errorf("%+v", m)
	}
}

func TestTenThousandLines(t *testing.T) {
	var b strings.Builder
	b.WriteString(header)
	for r := range 100 {
		fmt.Fprintf(&b, "R%d,,rack,,hgx-8,,,,,,,,,,,\n", r)
		for n := range 8 {
			fmt.Fprintf(&b, "R%d,C%02d,compute,Example,X,SN%d-%d,02:00:00:%02x:%02x:01,,,,,,,,,\n", r, n+1, r, n, r, n)
			for p := range 12 {
				fmt.Fprintf(&b, "R%d,C%02d/GPU%d,gpu,NVIDIA,B200,G%d-%d-%d,,,,,,,,,,\n", r, n+1, p, r, n, p)
			}
		}
	}
	m := parse(t, b.String())
	if len(m.Faults) != 0 || len(m.Nodes) != 800 {
		t.Errorf("%d faults, %d nodes", len(m.Faults), len(m.Nodes))
	}
}

func FuzzParseManifest(f *testing.F) {
	for _, s := range []string{goodYAML, goodCSV, "{\"schema\":\"rackwright/manifest/1\"}", "\xff\xfer\x00a\x00", "rack;slot;class\n\"", "a: &x [*x]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, kept, err := intake.ReadManifest(bytes.NewReader(raw), intake.Options{})
		if err != nil {
			if !errors.Is(err, inventory.ErrInvalid) {
				t.Fatalf("error without a class: %v", err)
			}
			return
		}
		b, _, err := intake.ReadManifest(bytes.NewReader(raw), intake.Options{})
		if err != nil || a.Source != b.Source || !reflect.DeepEqual(a.Nodes, b.Nodes) || a.Source != inventory.DigestOf(kept) {
			t.Fatalf("two readings differ: %v", err)
		}
		for _, f := range a.Faults {
			if f.Row < 1 || f.Reason == "" || f.Fix == "" {
				t.Fatalf("fault without place, reason or fix: %+v", f)
			}
		}
	})
}
