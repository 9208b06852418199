package tool

import (
	"strconv"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

func usable(serial string) string { return inventory.Usable(serial) }

func dotted(n []int) string {
	parts := make([]string, len(n))
	for i, v := range n {
		parts[i] = strconv.Itoa(v)
	}
	return strings.Join(parts, ".")
}
