package web

import (
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/inventory"
)

// Pixels of the drawing.
const (
	unit  = 30 // one height unit
	width = 420
	left  = 36
)

// box is one slot in the drawing; the table's row is drawn from the same value.
type box struct {
	X, Y, W, H, Middle int
	Slot               inventory.Slot
	Node               api.NodeLine
	Text               string // letter, icon, slot, milestone
	More               string // operation, findings, and what must not be done
	Two                bool   // there is room for two lines
	First, Second      int    // where the lines stand
	Link               string
}

// elevation is a rack as seen from the front, U counted from the bottom.
type elevation struct {
	W, H  int
	Boxes []box
	Marks []mark
}

type mark struct{ Y, U int }

func draw(d api.RackDetail) elevation {
	top := 0
	for _, s := range d.Slots {
		top = max(top, s.Slot.U+s.Slot.Height-1)
	}
	e := elevation{W: left + width + 10, H: top*unit + 20}
	for u := 1; u <= top; u++ {
		e.Marks = append(e.Marks, mark{Y: (top-u)*unit + unit/2 + 14, U: u})
	}
	for i := len(d.Slots) - 1; i >= 0; i-- { // the top comes first, in drawing and table alike
		s := d.Slots[i]
		b := box{X: left, W: width, Y: (top-s.Slot.U-s.Slot.Height+1)*unit + 10, H: s.Slot.Height*unit - 3, Slot: s.Slot, Node: s.Node,
			Text: fmt.Sprintf("%s %s %s %s", s.Node.Sign.Letter, s.Node.Sign.Icon, s.Slot.Path, words(string(s.Node.Milestone))), More: more(s.Node), Link: "/racks/" + d.Name + "/slots/" + s.Slot.Path}
		b.Middle, b.Two = b.Y+b.H/2+5, s.Slot.Height > 1 && b.More != ""
		b.First, b.Second = b.Y+b.H/2-4, b.Y+b.H/2+16
		if !b.Two && b.More != "" {
			b.Text += " · " + b.More
		}
		b.Text, b.More = fit(b.Text), fit(b.More)
		e.Boxes = append(e.Boxes, b)
	}
	return e
}

// more is what a slot says beside its milestone. What must not be done comes
// first: the end of a line may not fit.
func more(n api.NodeLine) string {
	var parts []string
	if n.NeverPowerOff {
		parts = append(parts, "do not power off")
	}
	if op := n.Operation; op != nil {
		text := words(string(op.Kind)) + " " + op.Step
		if op.Percent > 0 {
			text += fmt.Sprintf(" %d%%", op.Percent)
		}
		parts = append(parts, text)
	}
	if n.Findings > 0 {
		parts = append(parts, fmt.Sprintf("%d open", n.Findings))
	}
	return strings.Join(parts, " · ")
}

// fit keeps a text inside its slot; the table has it whole.
func fit(text string) string {
	const most = 52 // at the drawing's width and size of letters
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return text
}

// words writes a name of the record as people say it.
func words(name string) string { return strings.ReplaceAll(name, "_", " ") }

// body writes what an entry carries as words, in the order of the entry.
func body(raw json.RawMessage) string {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return string(raw)
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		text := strings.Trim(string(fields[name]), `"`)
		if text == "" || text == "null" || name == "subject" { // the page is about the subject
			continue
		}
		if digest, ok := strings.CutPrefix(text, "sha256:"); ok && len(digest) == 64 {
			text = "sha256:" + digest[:12] + "…"
		}
		parts = append(parts, name+" "+text)
	}
	return strings.Join(parts, " · ")
}

// functions are what templates may call.
var functions = template.FuncMap{
	"sentence": inventory.Sentence,
	"stamp": func(t time.Time) string {
		if t.IsZero() {
			return "–"
		}
		return t.UTC().Format("2006-01-02 15:04:05")
	},
	"body":  body,
	"words": func(name any) string { return words(fmt.Sprint(name)) },
}
