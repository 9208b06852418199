package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestHelpIsTrue: every command says in a sentence what it does, and each of
// its examples is a command line that the program understands.
func TestHelpIsTrue(t *testing.T) {
	n := 0
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" {
			t.Errorf("%s has no short help", c.CommandPath())
		}
		if c.Example == "" && c.Parent() != nil && c.Parent().Parent() == nil && !c.HasSubCommands() {
			t.Errorf("%s has no example", c.CommandPath())
		}
		for line := range strings.Lines(c.Example) {
			line, _, _ = strings.Cut(line, "#")
			for command := range strings.SplitSeq(line, "&&") {
				if strings.HasPrefix(strings.TrimSpace(command), "rackwright") {
					n++
					understood(t, c.CommandPath(), command)
				} else if command == line {
					t.Errorf("%s: example %q is not ours", c.CommandPath(), line)
				}
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	root := newRoot(&streams{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	walk(root)
	if n < 30 {
		t.Errorf("only %d examples", n)
	}
}

// TestReadmeIsTrue: each command line of the README is understood, each make
// target exists, and the README has at most 200 lines.
func TestReadmeIsTrue(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile(filepath.Join("..", "..", "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(raw), "\n")
	if len(lines) > 200 {
		t.Errorf("the README has %d lines", len(lines))
	}
	n := 0
	for _, line := range lines {
		if command, ok := strings.CutPrefix(line, "    bin/"); ok {
			n++
			understood(t, "README", command)
		}
		if target, ok := strings.CutPrefix(line, "    make "); ok {
			target, _, _ = strings.Cut(target, " ")
			if !strings.Contains(string(makefile), "\n"+target+":") {
				t.Errorf("README: there is no make %s", target)
			}
		}
	}
	if n < 8 {
		t.Errorf("only %d commands in the README", n)
	}
}

// understood parses a line as the program would, up to its arguments and
// flags, and runs nothing.
func understood(t *testing.T, where, line string) {
	t.Helper()
	line, _, _ = strings.Cut(strings.TrimSpace(line), "#")
	for _, cut := range []string{" | ", " < ", " > "} { // the shell's part
		line, _, _ = strings.Cut(line, cut)
	}
	words := fields(line)
	if len(words) == 0 || words[0] != "rackwright" {
		t.Errorf("%s: %q is no rackwright command", where, line)
		return
	}
	root := newRoot(&streams{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	c, rest, err := root.Find(words[1:])
	if err == nil {
		err = c.ParseFlags(rest)
	}
	if err == nil && c.Args != nil {
		err = c.Args(c, c.Flags().Args())
	}
	if err == nil && c.RunE == nil && c.Run == nil {
		err = errUsage
	}
	if err != nil {
		t.Errorf("%s: %q: %v", where, line, err)
	}
}

// fields splits a line as a shell does for plain words and double quotes.
func fields(line string) []string {
	var out []string
	word, quoted, some := "", false, false
	for _, r := range line {
		switch {
		case r == '"' || r == '\'':
			quoted, some = !quoted, true
		case r == ' ' && !quoted:
			if some {
				out = append(out, word)
			}
			word, some = "", false
		default:
			word, some = word+string(r), true
		}
	}
	if some {
		out = append(out, word)
	}
	return out
}
