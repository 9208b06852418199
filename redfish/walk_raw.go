package redfish

import (
	"bytes"
	"encoding/json"
	"sort"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// rawBody is one line of the raw document: what the BMC said, secrets blanked.
type rawBody struct {
	URI  string          `json:"uri"`
	Body json.RawMessage `json:"body"`
}

// rawDocument is the observation's raw document: one JSON object per line,
// sorted by name, so that the same answers give the same digest.
func rawDocument(list []rawBody) ([]byte, inventory.Digest, error) {
	sort.Slice(list, func(i, j int) bool { return list[i].URI < list[j].URI })
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	for _, b := range list {
		var err error
		if b.Body, err = blanked(b.Body); err != nil {
			return nil, "", err
		}
		if err := enc.Encode(b); err != nil {
			return nil, "", err
		}
	}
	return out.Bytes(), inventory.DigestOf(out.Bytes()), nil
}

// blanked removes what may never be stored (redfish.md §5.2): passwords,
// tokens, SNMP communities, private keys.
func blanked(body json.RawMessage) (json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber() // serials as numbers keep their digits
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	return json.Marshal(blank(v))
}

func blank(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for k, inner := range x {
			if s, ok := inner.(string); ok && s != "" && secretName(k) {
				x[k] = "REDACTED"
				continue
			}
			x[k] = blank(inner)
		}
	case []any:
		for i := range x {
			x[i] = blank(x[i])
		}
	case string:
		if strings.Contains(x, "PRIVATE KEY-----") {
			return "REDACTED"
		}
	}
	return v
}

func secretName(key string) bool {
	k := strings.ToLower(key)
	for _, part := range []string{"password", "passphrase", "token", "authorization", "communitystring", "privatekey", "secretkey"} {
		if strings.Contains(k, part) && !strings.Contains(k, "@") {
			return true
		}
	}
	return false
}
