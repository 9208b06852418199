package api

import (
	"encoding/json"

	"github.com/rackwright/rackwright/inventory"
)

// names reports whether an entry is about a node: bodies carry its address
// under node, or its subject under subject.
func names(e inventory.Entry, n inventory.Node) bool {
	var body struct {
		Node    string `json:"node"`
		Subject string `json:"subject"`
	}
	if json.Unmarshal(e.Body, &body) != nil {
		return false
	}
	return body.Node == n.Address || body.Node == string(n.ID) || body.Subject == inventory.NodeSubject(n.ID).String()
}
