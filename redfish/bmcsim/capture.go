package bmcsim

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// FromTree adds a BMC that serves a capture: lines of {"uri": …, "body": …}. Bodies
// are served as captured, errors with their status; the root gets the simulator's
// mark. Logins work at root Links.Sessions of the default place, power verbs by the
// Actions of the bodies. Call it before Start. The spec names the BMC and its account.
func (f *Fleet) FromTree(s Spec, lines io.Reader) error {
	if s.Name == "" || s.User == "" || s.Password == "" {
		return fmt.Errorf("bmcsim: a capture needs Spec.Name, User and Password")
	}
	t, err := readTree(lines)
	if err != nil {
		return fmt.Errorf("bmcsim: %s: %w", s.Name, err)
	}
	b := newBMC(f, s, t)
	b.capture = true
	return f.add(b)
}

// readTree reads a capture. The first bad line ends it with its number.
func readTree(lines io.Reader) (tree, error) {
	t := tree{}
	br := bufio.NewReader(lines)
	for n := 1; ; n++ {
		line, err := br.ReadBytes('\n')
		if len(line) > 0 {
			if bad := t.captured(line); bad != nil {
				return nil, fmt.Errorf("line %d: %w", n, bad)
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	r := t[root]
	if r == nil {
		return nil, fmt.Errorf("the capture has no %s: is it a resources.jsonl?", root)
	}
	oem, _ := r.body["Oem"].(object)
	if oem == nil {
		oem = object{}
	}
	merge(oem, simulatedMark())
	r.body["Oem"] = oem
	return t, nil
}

func (t tree) captured(line []byte) error {
	var one struct {
		URI  string `json:"uri"`
		Body object `json:"body"`
	}
	if err := json.Unmarshal(line, &one); err != nil {
		return err
	}
	if one.URI == "" || one.Body == nil {
		return errors.New("a line needs uri and body")
	}
	t[clean(one.URI)] = &resource{body: one.Body, typ: str(one.Body, "@odata.type"), status: capturedStatus(one.Body)}
	return nil
}

// capturedStatus gives an error body the status it had (SOURCES.md of the captures).
func capturedStatus(body object) int {
	if _, ok := body["error"]; !ok || len(body) != 1 {
		return 0
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return http.StatusInternalServerError
	}
	for _, one := range []struct {
		words  string
		status int
	}{
		{"LIC501 SWC0242", http.StatusForbidden}, {"ResourceNotFound ResourceMissingAtURI SYS403", http.StatusNotFound},
		{"UnsupportedOperation", http.StatusBadRequest}, {"InternalError", http.StatusInternalServerError},
	} {
		for _, w := range strings.Fields(one.words) {
			if strings.Contains(string(raw), w) {
				return one.status
			}
		}
	}
	return http.StatusNotFound
}
