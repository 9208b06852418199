package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/rackwright/rackwright/inventory"
)

func TestEventLine(t *testing.T) {
	name := func(on inventory.Subject) string {
		if on == inventory.NodeSubject("01N") {
			return "A12/C01"
		}
		return on.String()
	}
	for _, c := range []struct{ kind, body, want string }{
		{"hold.set", `{"subject":"node:01N","hold":"maintenance","reason":"new fan"}`, `hold.set A12/C01 by tess hold=maintenance reason="new fan"`},
		{"finding.opened", `{"node":"01N","part":"dimm","by":"tess"}`, `finding.opened A12/C01 by tess part=dimm`},
		{"node.received", `{"node":"A12/C02","from":"expected"}`, `node.received A12/C02 by tess from=expected`},
		{"lock.broken", `{"scope":"rack:01R","unsettled":2}`, `lock.broken rack:01R by tess unsettled=2`},
		{"blockers", `{"subject":"node:01N","blockers":[]}`, `blockers A12/C01 by tess blockers=none`},
		{"x", `{"at":{"version":12345678901234567890},"digest":"sha256:0123456789abcdef","gone":null}`, `x - by tess at={version=12345678901234567890} digest=sha256:0123456789ab…`},
		{"x", `{"model":"\u001b[2Jgone"}`, `x - by tess model="\x1b[2Jgone"`},
		{"x", `not JSON`, `x - by tess not JSON`},
	} {
		got := eventLine(inventory.Entry{Seq: 7, Kind: c.kind, By: "tess", Body: json.RawMessage(c.body)}, name)
		if _, rest, _ := strings.Cut(got, " #7 "); rest != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.body, rest, c.want)
		}
	}
}
