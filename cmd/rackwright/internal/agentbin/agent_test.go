package agentbin

import (
	"bytes"
	"errors"
	"testing"
	"testing/fstest"
)

// TestAgent: what make build put here is an ELF file; without it the message
// says how to get it. Both builds are tested, whichever this one is.
func TestAgent(t *testing.T) {
	b, err := Agent()
	switch {
	case errors.Is(err, ErrAbsent):
	case err != nil:
		t.Fatal(err)
	case !bytes.HasPrefix(b, []byte("\x7fELF")):
		t.Errorf("the embedded agent begins with %q", b[:min(8, len(b))])
	}
	for name, c := range map[string]struct {
		files fstest.MapFS
		want  string
		err   error
	}{
		"without agent": {fstest.MapFS{"doc.go": {Data: []byte("package agentbin")}}, "", ErrAbsent},
		"empty agent":   {fstest.MapFS{"rackagent": {}}, "", ErrAbsent},
		"with agent":    {fstest.MapFS{"rackagent": {Data: []byte("\x7fELF")}}, "\x7fELF", nil},
	} {
		if got, err := agent(c.files); string(got) != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
