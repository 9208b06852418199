package burnin

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// Reason is one sentence of a verdict: a message id with its arguments
// (inventory.Sentence), and who must act.
type Reason struct {
	ID    string          `json:"id"`
	Args  []string        `json:"args,omitempty"`
	Owner inventory.Owner `json:"owner"`
	// Sentence is the text of ID and Args, so that a stored verdict reads by itself.
	Sentence string `json:"sentence"`
}

// String is the sentence.
func (r Reason) String() string { return r.Sentence }

func reason(owner inventory.Owner, id string, args ...string) Reason {
	return Reason{ID: id, Args: args, Owner: owner, Sentence: inventory.Sentence(id, args)}
}

// CheckResult is one limit over one entity: what was measured and what became of it.
type CheckResult struct {
	Test    string           `json:"test"`
	Metric  string           `json:"metric"`
	Entity  Entity           `json:"entity,omitzero"`
	Value   *float64         `json:"value,omitempty"`
	Unit    string           `json:"unit"`
	Rule    string           `json:"rule"`
	Source  string           `json:"source"`
	Observe bool             `json:"observe,omitempty"`
	Gate    inventory.Gate   `json:"gate"`
	Result  inventory.Result `json:"result"`
	Reason  *Reason          `json:"reason,omitempty"`
}

// GateVerdict is the result of one gate with everything that decided it.
type GateVerdict struct {
	Gate    inventory.Gate   `json:"gate"`
	Result  inventory.Result `json:"result"`
	Reasons []Reason         `json:"reasons,omitempty"`
	// Measured of Expected enforced values were there; 0 of 0 for gates without values.
	Measured int `json:"measured"`
	Expected int `json:"expected"`
}

// ToolUse is a tool the verdict stands on.
type ToolUse struct {
	Name    string           `json:"name"`
	Version string           `json:"version,omitempty"`
	Digest  inventory.Digest `json:"digest,omitempty"`
}

// Verdict is what the samples of one run say about one node under one plan. It
// is derived only from them, so it can be judged again from the record.
type Verdict struct {
	Plan      string           `json:"plan"`
	Version   int              `json:"planVersion"`
	Base      inventory.Digest `json:"base"`     // the plan as written
	Resolved  inventory.Digest `json:"resolved"` // the plan as run
	Image     inventory.Digest `json:"image,omitempty"`
	Result    inventory.Result `json:"result"` // fail before unjudged before pass, over all gates
	Gates     []GateVerdict    `json:"gates"`
	Checks    []CheckResult    `json:"checks"`
	Suspects  []Entity         `json:"suspects,omitempty"`
	Tools     []ToolUse        `json:"tools,omitempty"`
	Boots     []string         `json:"boots,omitempty"`
	Samples   int              `json:"samples"`
	Started   time.Time        `json:"started,omitzero"`
	Ended     time.Time        `json:"ended,omitzero"`
	Simulated bool             `json:"simulated,omitempty"`
}

// Gate returns the verdict of one gate; unjudged when there is none.
func (v Verdict) Gate(g inventory.Gate) GateVerdict {
	for _, x := range v.Gates {
		if x.Gate == g {
			return x
		}
	}
	return GateVerdict{Gate: g, Result: inventory.ResultUnjudged}
}

// JSON is the stored form of the verdict.
func (v Verdict) JSON() ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("verdict of plan %s: %w", v.Plan, err)
	}
	return b, nil
}

// Cites are the digests the verdict stands on: plan, resolved plan, image and
// each tool program.
func (v Verdict) Cites() map[string]inventory.Digest {
	out := map[string]inventory.Digest{"plan": v.Base, "plan.resolved": v.Resolved}
	if v.Image != "" {
		out["image"] = v.Image
	}
	for _, t := range v.Tools {
		if t.Digest != "" {
			out["tool."+t.Name] = t.Digest
		}
	}
	return out
}

// Sentences joins the reasons of a gate, at most n of them, and says how many
// more there are.
func (g GateVerdict) Sentences(n int) string {
	var parts []string
	for i, r := range g.Reasons {
		if i == n {
			parts = append(parts, fmt.Sprintf("And %d more.", len(g.Reasons)-n))
			break
		}
		parts = append(parts, r.Sentence)
	}
	return strings.Join(parts, " ")
}

// Subject is what evidence of a verdict is filed under.
type Subject struct {
	Node        inventory.NodeID
	Run         inventory.RunID
	Attempt     int
	Document    inventory.Digest // of the stored verdict
	Fingerprint inventory.Digest // what is installed, from the record
	At          time.Time
}

// Evidence turns a verdict into one piece of evidence per gate. What does not
// apply has none: that is declared by the rack type, never by a machine's run.
func (v Verdict) Evidence(s Subject) []inventory.Evidence {
	out := make([]inventory.Evidence, 0, len(v.Gates))
	for _, g := range v.Gates {
		if g.Result == inventory.ResultNotApplicable {
			continue
		}
		out = append(out, inventory.Evidence{
			Subject: inventory.NodeSubject(s.Node), Gate: g.Gate, Result: g.Result, Producer: inventory.ByMachine,
			Document: s.Document, Fingerprint: s.Fingerprint, Attempt: s.Attempt, Run: s.Run, At: s.At,
			By: "rackwright/burn-in", Detail: g.Sentences(3), Cites: v.Cites(), Simulated: v.Simulated,
		})
	}
	return out
}
