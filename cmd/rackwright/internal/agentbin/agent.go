package agentbin

import (
	"embed"
	"errors"
	"io/fs"
)

// The pattern takes doc.go along, so that it matches, and the package compiles,
// also when no rackagent was built.
//
//go:embed [dr]*
var files embed.FS

// ErrAbsent says that this program was built without its agent.
var ErrAbsent = errors.New("this rackwright was built without rackagent: use make build, or give --agent FILE")

// Agent is rackagent for Linux on amd64, static; ErrAbsent when the program
// was built without it.
func Agent() ([]byte, error) { return agent(files) }

func agent(from fs.FS) ([]byte, error) {
	b, err := fs.ReadFile(from, "rackagent")
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(b) == 0 {
		return nil, ErrAbsent
	}
	return b, err
}
