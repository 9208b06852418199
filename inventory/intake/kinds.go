package intake

import (
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// nodeKinds is the closed list of node kinds, in the order of the vocabulary.
func nodeKinds() []string {
	return []string{string(inventory.KindCompute), string(inventory.KindSwitch), string(inventory.KindPowerShelf),
		string(inventory.KindCDU), string(inventory.KindPDU), string(inventory.KindDPUNode), string(inventory.KindServer)}
}

// partKinds is the closed list of component kinds.
func partKinds() []string {
	return []string{string(inventory.KindChassis), string(inventory.KindBoard), string(inventory.KindGPU),
		string(inventory.KindTrainium), string(inventory.KindCPU), string(inventory.KindDIMM), string(inventory.KindNIC),
		string(inventory.KindDPU), string(inventory.KindDrive), string(inventory.KindPSU), string(inventory.KindFan),
		string(inventory.KindBMC), string(inventory.KindBIOS), string(inventory.KindCPLD), string(inventory.KindNVSwitch),
		string(inventory.KindBaseboard), string(inventory.KindERoT), string(inventory.KindFirmware), string(inventory.KindCable)}
}

// producers is the closed list of evidence producers.
func producers() []string {
	return []string{string(inventory.ByMachine), string(inventory.ByChecklist), string(inventory.ByDerivation),
		string(inventory.ByDeclaration), string(inventory.ByPersonSigned)}
}

func oneOf(word string, known []string) bool {
	for _, k := range known {
		if k == word {
			return true
		}
	}
	return false
}

// secretKey recognises a column or key that may hold a password, also when it
// is misspelt: what looks like a secret is blanked before anything else.
func secretKey(key string) bool {
	k := strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "", ".", "").Replace(key))
	for _, part := range []string{"pass", "pasw", "pwd", "secret", "token", "defpw"} {
		if strings.Contains(k, part) {
			return true
		}
	}
	return false
}

// validName accepts rack names and slot paths: what fits into an address.
func validName(name string) bool {
	if name == "" || len(name) > 64 {
		return false
	}
	for i, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && (i == 0 || r != '-' && r != '_' && r != '.') {
			return false
		}
	}
	return true
}
