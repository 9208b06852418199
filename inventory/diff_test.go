package inventory

import (
	"fmt"
	"strings"
	"testing"
)

// part makes a present part; a serial of one letter stands for SN and the letter.
func part(kind Kind, slot, serial, model string) Component {
	if len(strings.TrimSpace(serial)) == 1 {
		serial = "SN" + serial
	}
	return Component{Key: Key{Kind: kind, Slot: slot}, Serial: serial, Model: model, State: StatePresent}
}

func state(kind Kind, slot string, s ReadState) Component {
	return Component{Key: Key{Kind: kind, Slot: slot}, State: s}
}

func show(list []Finding) string {
	var out []string
	for _, f := range list {
		text := fmt.Sprintf("%s %s %s", f.Kind, f.Key, f.Owner)
		if f.Node != "" {
			text = string(f.Node) + " " + text
		}
		for _, o := range f.Others {
			text += " +" + string(o)
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

// TestDiff: every kind opens, and does not open when the reading agrees.
func TestDiff(t *testing.T) {
	g := func(slot, serial string) Component { return part(KindGPU, slot, serial, "H100") }
	want := []Component{g("1", "A"), g("2", "B"), g("3", "C")}
	cases := map[string]struct {
		want, got []Component
		says      string
	}{
		"agrees":            {want, want, ""},
		"blanks and case":   {want, []Component{g("1", "a "), g("2", "b"), g("3", "c")}, ""},
		"missing":           {want, []Component{g("1", "A"), g("3", "C")}, "missing gpu/2 vendor"},
		"absent":            {want, []Component{g("1", "A"), state(KindGPU, "2", StateAbsent), g("3", "C")}, "missing gpu/2 vendor"},
		"read failed":       {want, []Component{g("1", "A"), state(KindGPU, "2", StateReadFailed), g("3", "C")}, "unreadable gpu/2 system"},
		"class not read":    {want, []Component{state(KindGPU, "", StateNotRead)}, "unreadable gpu/1 system; unreadable gpu/2 system; unreadable gpu/3 system"},
		"nobody said":       {want[:1], []Component{part(KindDIMM, "1", "X", "")}, "unreadable gpu/1 system"},
		"extra":             {want[:2], want, "extra gpu/3 vendor"},
		"class not ordered": {want, append([]Component{part(KindFan, "1", "F", "")}, want...), ""},
		"replaced":          {want, []Component{g("1", "A"), g("2", "Z"), g("3", "C")}, "replaced gpu/2 technician"},
		"wrong type":        {want[:1], []Component{part(KindGPU, "1", "A", "A100")}, "wrong_type gpu/1 vendor"},
		"two exchanged":     {want, []Component{g("1", "B"), g("2", "A"), g("3", "C")}, "swapped gpu/1 technician"},
		"three exchanged":   {want, []Component{g("1", "B"), g("2", "C"), g("3", "A")}, "swapped gpu/1 technician"},
		"moved, not back":   {want, []Component{g("1", "B"), g("2", "Z"), g("3", "C")}, "replaced gpu/1 technician; wrong_slot gpu/2 technician"},
		"serial not read":   {want[:1], []Component{g("1", "")}, "unreadable gpu/1 system"},
		"placeholder":       {want[:1], []Component{g("1", "N/A")}, "placeholder_id gpu/1 vendor; unreadable gpu/1 system"},
		"serial not stated": {[]Component{g("1", "")}, []Component{g("1", "A")}, ""},
		"count short":       {[]Component{{Key: Key{Kind: KindGPU}, Quantity: 8, Model: "H100"}}, want, "count_short gpu/ vendor"},
		"count met":         {[]Component{{Key: Key{Kind: KindGPU}, Quantity: 3, Model: "H100"}}, want, ""},
		"count unread":      {[]Component{{Key: Key{Kind: KindGPU}, Quantity: 3}}, []Component{state(KindGPU, "", StateReadFailed)}, "unreadable gpu/ system"},
		"count and surplus": {[]Component{{Key: Key{Kind: KindGPU}, Quantity: 2, Model: "H100"}}, want, "extra gpu/3 vendor"},
	}
	for name, c := range cases {
		if got := show(Diff(c.want, c.got)); got != c.says {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.says)
		}
	}
}

func TestDiffFirmware(t *testing.T) {
	w, g := part(KindBIOS, "BIOS", "", ""), part(KindBIOS, "BIOS", "", "")
	w.Firmware, g.Firmware = "2.0", "1.0"
	if got := show(Diff([]Component{w}, []Component{g})); got != "wrong_firmware bios/BIOS system" {
		t.Error(got)
	}
	g.Firmware = "2.0 "
	if got := show(Diff([]Component{w}, []Component{g})); got != "" {
		t.Error(got)
	}
}

func unit(id, serial string, gpu string) NodeView {
	return NodeView{Node: NodeID(id), Address: "A12/" + id, Want: []Component{part(KindChassis, "self", serial, ""), part(KindGPU, "1", gpu, "")}}
}

func TestDiffRack(t *testing.T) {
	a, b, c := unit("C1", "S1", "G1"), unit("C2", "S2", "G2"), unit("C3", "S3", "G3")
	see := func(v NodeView, parts ...Component) NodeView { v.Got = parts; return v }
	whole := func(at, what NodeView) NodeView { return see(at, what.Want...) }
	cases := map[string]struct {
		views []NodeView
		says  string
	}{
		"right":             {[]NodeView{whole(a, a), whole(b, b), whole(c, c)}, ""},
		"not observed":      {[]NodeView{a, whole(b, b)}, ""},
		"trays exchanged":   {[]NodeView{whole(a, b), whole(b, a), whole(c, c)}, "C1 swapped chassis/self technician +C2"},
		"three exchanged":   {[]NodeView{whole(a, b), whole(b, c), whole(c, a)}, "C1 swapped chassis/self technician +C2 +C3"},
		"one GPU strayed":   {[]NodeView{see(a, a.Want[0], b.Want[1]), see(b, b.Want[0], state(KindGPU, "1", StateAbsent))}, "C1 wrong_slot gpu/1 technician +C2; C2 missing gpu/1 vendor"},
		"exchanged and bad": {[]NodeView{whole(a, b), see(b, a.Want[0], state(KindGPU, "1", StateAbsent))}, "C1 swapped chassis/self technician +C2; C2 missing gpu/1 vendor"},
		"foreign tray":      {[]NodeView{see(a, part(KindChassis, "self", "S9", ""), a.Want[1])}, "C1 replaced chassis/self technician"},
		"moved, one unseen": {[]NodeView{whole(a, b), b}, "C1 wrong_slot chassis/self technician +C2"},
	}
	for name, c := range cases {
		got := DiffRack("r", c.views)
		if s := show(got); s != c.says {
			t.Errorf("%s:\n got %s\nwant %s", name, s, c.says)
		}
		for _, f := range got {
			if f.Rack != "r" || Sentence(f.Fix, f.Args) == f.Fix || strings.Contains(Sentence(f.Fix, f.Args), "{") {
				t.Errorf("%s: %q", name, Sentence(f.Fix, f.Args))
			}
		}
	}
}

func TestFingerprintIsStable(t *testing.T) {
	a := Finding{Rack: "r", Node: "n", Kind: FindReplaced, Key: Key{KindGPU, "1"}, Got: Component{Serial: " z1"}}
	b := a
	b.ID, b.Args, b.Got.Serial = "other", []string{"x"}, "Z1"
	if a.Fingerprint() != b.Fingerprint() {
		t.Error("the same fact has two fingerprints")
	}
	b.Got.Serial = "Y1"
	if a.Fingerprint() == b.Fingerprint() {
		t.Error("two facts share one fingerprint")
	}
}

func TestPlaceholders(t *testing.T) {
	for text, want := range map[string]bool{"N/A": true, " none ": true, "To Be Filled By O.E.M.": true, "0": true, "FFFFFFFF": true, "XXXX": true,
		"0x00000000": true, "00-00-00": true, "123456789": true, "SGH123": false, "": false, "S": true, "1654821000123": false} {
		if got := Placeholder(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestSame(t *testing.T) {
	id := func(k IDKind, v string, trusted bool) Identifier {
		return Identifier{Kind: k, Norm: v, Trusted: trusted}
	}
	cases := map[string]struct {
		a, b []Identifier
		want Identity
	}{
		"one trusted":        {[]Identifier{id(IDRedfish, "S1", true)}, []Identifier{id(IDRedfish, "s1", false)}, IdentityCertain},
		"one untrusted":      {[]Identifier{id(IDLabel, "S1", false)}, []Identifier{id(IDLabel, "S1", false)}, IdentityUnknown},
		"two untrusted":      {[]Identifier{id(IDLabel, "S1", false), id(IDAssetTag, "T1", false)}, []Identifier{id(IDLabel, "S1", false), id(IDAssetTag, "T1", false)}, IdentityCertain},
		"trusted disagree":   {[]Identifier{id(IDRedfish, "S1", true)}, []Identifier{id(IDRedfish, "S2", true)}, IdentityConflict},
		"DMI is not Redfish": {[]Identifier{id(IDDMI, "S1", true)}, []Identifier{id(IDRedfish, "S2", true)}, IdentityUnknown},
		"placeholders agree": {[]Identifier{id(IDRedfish, "N/A", true)}, []Identifier{id(IDRedfish, "N/A", true)}, IdentityUnknown},
	}
	for name, c := range cases {
		if got := Same(c.a, c.b); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func FuzzDiff(f *testing.F) {
	f.Add("1", "A", "2", "B", "1", "B", "2", "A")
	f.Fuzz(func(t *testing.T, ws1, wn1, ws2, wn2, gs1, gn1, gs2, gn2 string) {
		want := []Component{part(KindGPU, ws1, wn1, ""), part(KindGPU, ws2, wn2, "")}
		got := []Component{part(KindGPU, gs1, gn1, ""), part(KindGPU, gs2, gn2, "")}
		for _, x := range Diff(want, got) {
			if x.Owner == "" || x.Fix == "" {
				t.Fatalf("finding without owner or fix: %+v", x)
			}
		}
	})
}
