package intake_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/rackwright/rackwright/inventory/intake"
)

func TestParseCode(t *testing.T) {
	type c = intake.Candidate
	raw := func(v string) c { return c{Kind: intake.CodeRaw, Value: v} }
	serial := func(v string) c { return c{Kind: intake.CodeSerial, Value: v} }
	for name, tc := range map[string]struct {
		scan string
		want []c
	}{
		"plain serial":      {"1234ABC", []c{serial("1234ABC"), raw("1234ABC")}},
		"leading S is both": {"SGH401T9XN", []c{serial("SGH401T9XN"), {Kind: intake.CodeSerial, Value: "GH401T9XN", Field: "S"}, raw("SGH401T9XN")}},
		"leading 1P is both": {"1P920-2468", []c{serial("1P920-2468"),
			{Kind: intake.CodePart, Value: "920-2468", Field: "1P"}, raw("1P920-2468")}},
		"MAC": {"020000000001", []c{{Kind: intake.CodeMAC, Value: "02:00:00:00:00:01"}, serial("020000000001"), raw("020000000001")}},
		"ISO 15434 format 06": {"[)>\x1e06\x1d1PAB-1\x1dSGH1\x1d4LTW\x1dQ2\x1e\x04", []c{
			{Kind: intake.CodePart, Value: "AB-1", Field: "1P", Certain: true}, {Kind: intake.CodeSerial, Value: "GH1", Field: "S", Certain: true},
			{Kind: intake.CodeOrigin, Value: "TW", Field: "4L", Certain: true}, {Kind: intake.CodeQuantity, Value: "2", Field: "Q", Certain: true}}},
		"GS1 printed": {"(01)09506000134352(21)SGH(7)(240)X-1", []c{
			{Kind: intake.CodeGTIN, Value: "09506000134352", Field: "01", Certain: true},
			{Kind: intake.CodeSerial, Value: "SGH(7)", Field: "21", Certain: true}, {Kind: intake.CodePart, Value: "X-1", Field: "240", Certain: true}}},
		"GS1 scanned": {"]C1010950600013435221AB\x1d240X-1", []c{
			{Kind: intake.CodeGTIN, Value: "09506000134352", Field: "01", Certain: true},
			{Kind: intake.CodeSerial, Value: "AB", Field: "21", Certain: true}, {Kind: intake.CodePart, Value: "X-1", Field: "240", Certain: true}}},
		"SSCC":            {"]C100340123450000000017", []c{{Kind: intake.CodeSSCC, Value: "340123450000000017", Field: "00", Certain: true}}},
		"our label":       {"HTTPS://HOST/L/01J", []c{raw("HTTPS://HOST/L/01J")}},
		"wrong GS1 check": {"(01)09506000134353", []c{serial("(01)09506000134353"), raw("(01)09506000134353")}},
		"empty":           {" \r\n", nil},
		"too long":        {strings.Repeat("A", 5000), nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := intake.ParseCode(tc.scan); !reflect.DeepEqual(got, tc.want) {
				t.Errorf("ParseCode(%q)\n got %+v\nwant %+v", tc.scan, got, tc.want)
			}
		})
	}
}

func FuzzParseCode(f *testing.F) {
	for _, s := range []string{"SGH1", "1PX", "[)>\x1e06\x1dS1\x1e\x04", "(01)09506000134352(21)A", "]C10034012345000000001", "\x1d", "[)>\x1e05\x1d21\x1e\x04"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, scan string) {
		got := intake.ParseCode(scan)
		trimmed := strings.Trim(scan, " \t\r\n")
		if trimmed != "" && len(trimmed) <= 4096 && len(got) == 0 {
			t.Fatalf("scan %q has no reading; unknown codes stay searchable", scan)
		}
		for _, c := range got {
			if c.Value == "" || c.Kind == "" {
				t.Fatalf("scan %q: empty reading %+v", scan, c)
			}
			if c.Certain && !strings.ContainsAny(scan, "()\x1d\x1e]") {
				t.Fatalf("scan %q: %+v is certain without an envelope", scan, c)
			}
		}
	})
}
