package api

import "github.com/rackwright/rackwright/inventory"

// Sign is how the state of one slot is shown: letter, icon, word and pattern
// always together, never colour alone (interface.md §3). The same value feeds
// SVG, HTML table, CLI and print.
type Sign struct {
	Letter string `json:"letter"`
	Icon   string `json:"icon"`
	Word   string `json:"word"`
	Class  string `json:"class"` // style class; pattern and colour hang on it
}

// The closed list of signs.
var (
	signSafety  = Sign{"L", "~", "leak or safety latch", "latch"}
	signNever   = Sign{"D", "⛔", "do not power off", "never"}
	signFail    = Sign{"X", "✗", "failed", "fail"}
	signFinding = Sign{"F", "!", "finding open", "finding"}
	signBusy    = Sign{"B", "⟳", "busy", "busy"}
	signUnread  = Sign{"?", "?", "not read", "unread"}
	signEmpty   = Sign{"-", "–", "empty, part expected", "empty"}
	signPass    = Sign{"P", "✓", "pass", "pass"}
	signWaiting = Sign{"W", "…", "waiting", "waiting"}
)

// Signs lists every sign with its meaning, for the legend.
func Signs() []Sign {
	return []Sign{signSafety, signNever, signFail, signFinding, signBusy, signUnread, signEmpty, signWaiting, signPass}
}

// SignOf picks the most urgent sign: safety on top, then "do not power off".
// Open are the node's findings that are neither closed nor waived.
func SignOf(n inventory.Node, open int, blocked bool) Sign {
	switch {
	case n.Held(inventory.HoldSafetyLatch):
		return signSafety
	case NeverPowerOff(n):
		return signNever
	case n.Milestone == inventory.NodeTriage || n.Milestone == inventory.NodeRepair:
		return signFail
	case open > 0:
		return signFinding
	case n.Operation != nil:
		return signBusy
	case n.Milestone == inventory.NodeExpected:
		return signEmpty
	case n.Milestone == inventory.NodeReceived || n.Milestone == inventory.NodeInstalled:
		return signUnread
	case blocked:
		return signWaiting
	}
	return signPass
}

// NeverPowerOff reports whether the node is inside a step of abort class never.
func NeverPowerOff(n inventory.Node) bool {
	return n.Operation != nil && n.Operation.Abort == inventory.AbortNever
}
