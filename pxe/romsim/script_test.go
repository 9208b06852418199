package romsim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// runs executes a script whose server serves the named files.
func runs(t *testing.T, text string, files map[string]string) (*script, error) {
	t.Helper()
	s := newScript(text, func(_ context.Context, url string) (fetched, error) {
		data, ok := files[url]
		if !ok {
			return fetched{}, fmt.Errorf("%w: %s", ErrRefused, url)
		}
		return fetched{url: url, data: []byte(data)}, nil
	})
	return s, s.run(t.Context())
}

func TestScript(t *testing.T) {
	files := map[string]string{"http://h/k": "kernel", "http://h/i": "initrd"}
	for name, c := range map[string]struct {
		text string
		want string // command line; empty: the script must fail
		says string
	}{
		"boots":            {"#!ipxe\nset base http://h\nkernel --name kernel ${base}/k a=1 b || goto no\ninitrd --name initrd ${base}/i\nboot\n:no\nexit 1\n", "a=1 b", ""},
		"never mind":       {"#!ipxe\nimgfetch --name m http://h/none && imgfree m ||\nkernel http://h/k x\nboot", "x", ""},
		"and after failed": {"#!ipxe\nimgfetch http://h/none && echo never ||\nkernel http://h/k x\nboot || exit 1", "x", ""},
		"tries again":      {"#!ipxe\nset n:int32 0\n:load\ninc n\niseq ${n} 3 || goto load\nkernel http://h/k n=${n}\nboot", "n=3", ""},
		"gives up":         {"#!ipxe\nset n:int32 0\n:load\nkernel http://h/none || goto again\nboot\n:again\ninc n\niseq ${n} 2 && goto failed ||\ngoto load\n:failed\necho sorry\nexit 1\n", "", "sorry"},
		"failed line ends": {"#!ipxe\nkernel http://h/none\nboot\n", "", "none"},
		"no kernel":        {"#!ipxe\nboot\n", "", "without a kernel"},
		"freed kernel":     {"#!ipxe\nkernel --name k http://h/k\nimgfree k\nboot\n", "", "without a kernel"},
		"no magic":         {"kernel http://h/k\nboot\n", "", "#!ipxe"},
		"no label":         {"#!ipxe\ngoto nowhere\n", "", "nowhere"},
		"no end":           {"#!ipxe\n:a\ngoto a\n", "", "no end"},
		"unknown command":  {"#!ipxe\nshell\n", "", "shell"},
		"only ends":        {"#!ipxe\n", "", "ended"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := runs(t, c.text, files)
			if c.want != "" && (err != nil || s.line != c.want || s.kernel == nil) {
				t.Errorf("command line %q, error %v, want %q", s.line, err, c.want)
			}
			if c.want == "" && (!errors.Is(err, ErrScript) || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("error %v, want ErrScript with %q", err, c.says)
			}
		})
	}
}

func FuzzScript(f *testing.F) {
	f.Add("#!ipxe\nset base http://h\nkernel ${base}/k a || goto x\nboot\n:x\nexit 1")
	f.Add("#!ipxe\ninc\niseq\nset\nimgfree\necho\ngoto\n${")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "sleep") {
			t.Skip("it would")
		}
		s, err := runs(t, text, map[string]string{"http://h/k": "kernel"})
		if err == nil && s.kernel == nil {
			t.Error("booted without a kernel")
		}
	})
}

func TestUUIDBytes(t *testing.T) {
	got := uuidBytes("00112233-4455-6677-8899-aabbccddeeff")
	if want := "\x00\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff"; string(got) != want {
		t.Errorf("%x", got)
	}
	if uuidBytes("nonsense") != nil {
		t.Error("nonsense has bytes")
	}
}

func TestPlainURLHidesTheToken(t *testing.T) {
	if got := plainURL("http://h:1/b/52:54:00:00:00:01/0123456789abcdef0123456789abcdef/f/aa/kernel"); got != "/b/52:54:00:00:00:01/…/f/aa/kernel" {
		t.Error(got)
	}
}

func TestMachineNamesWhatIsMissing(t *testing.T) {
	_, err := Machine{Mode: "tape"}.Boot(t.Context())
	if err == nil {
		t.Fatal("booted")
	}
	for _, word := range []string{"MAC", "relay", "tape"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%v does not name %s", err, word)
		}
	}
}
