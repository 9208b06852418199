package web

import (
	"encoding/json"
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/inventory"
)

// Pixels of the drawing.
const (
	unit  = 22
	width = 460
	left  = 36
)

// box is one slot in the drawing; the table's row is drawn from the same value.
type box struct {
	X, Y, W, H, Middle int
	Slot               inventory.Slot
	Node               api.NodeLine
	Text               string // letter, slot, milestone
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
		b := box{X: left, W: width, Y: (top-s.Slot.U-s.Slot.Height+1)*unit + 10, H: s.Slot.Height*unit - 2, Slot: s.Slot, Node: s.Node,
			Text: fmt.Sprintf("%s %s %s %s", s.Node.Sign.Letter, s.Node.Sign.Icon, s.Slot.Path, s.Node.Milestone), Link: "/racks/" + d.Name + "/slots/" + s.Slot.Path}
		b.Middle = b.Y + b.H/2 + 5
		if op := s.Node.Operation; op != nil {
			b.Text += " · " + string(op.Kind) + " " + op.Step
			if op.Percent > 0 {
				b.Text += fmt.Sprintf(" %d%%", op.Percent)
			}
		}
		if s.Node.NeverPowerOff {
			b.Text += " · do not power off"
		}
		e.Boxes = append(e.Boxes, b)
	}
	return e
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
	"body": func(raw json.RawMessage) string { return strings.Trim(string(raw), "{}") },
}
