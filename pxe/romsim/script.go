package romsim

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxSteps ends a script that never ends.
const maxSteps = 500

// script runs the part of iPXE's script language that boot scripts use:
// labels, goto, || and &&, variables, image commands (ipxe.org/scripting).
type script struct {
	lines   []string
	vars    map[string]string
	fetch   func(context.Context, string) (fetched, error)
	images  map[string]*fetched
	kernel  *fetched
	initrd  *fetched
	line    string
	console []string
	jump    string
	booted  bool
	ended   bool
	last    error
}

func newScript(text string, fetch func(context.Context, string) (fetched, error)) *script {
	return &script{lines: strings.Split(text, "\n"), vars: map[string]string{}, fetch: fetch, images: map[string]*fetched{}}
}

// run executes until boot, exit or the end. ErrScript wraps every end without boot.
func (s *script) run(ctx context.Context) error {
	if len(s.lines) == 0 || strings.TrimSpace(s.lines[0]) != "#!ipxe" {
		return fmt.Errorf("%w: it does not begin with #!ipxe", ErrScript)
	}
	for at, steps := 1, 0; at < len(s.lines); at++ {
		if steps++; steps > maxSteps {
			return fmt.Errorf("%w: no end after %d lines", ErrScript, maxSteps)
		}
		if err := s.statement(ctx, s.lines[at]); err != nil {
			return fmt.Errorf("%w: line %d: %w", ErrScript, at+1, err)
		}
		switch {
		case s.booted:
			return nil
		case s.ended:
			if s.last != nil {
				return fmt.Errorf("%w (%w): %s", ErrScript, s.last, strings.Join(s.console, "; "))
			}
			return fmt.Errorf("%w: %s", ErrScript, strings.Join(s.console, "; "))
		case s.jump != "":
			if at = s.label(s.jump); at < 0 {
				return fmt.Errorf("%w: no label %s", ErrScript, s.jump)
			}
			s.jump = ""
		}
	}
	return fmt.Errorf("%w: it ended without boot: %s", ErrScript, strings.Join(s.console, "; "))
}

func (s *script) label(name string) int {
	for i, l := range s.lines {
		if strings.TrimSpace(l) == ":"+name {
			return i
		}
	}
	return -1
}

// statement runs one line: commands joined by || and &&. A line that fails ends the script.
func (s *script) statement(ctx context.Context, line string) error {
	words := strings.Fields(line)
	if len(words) == 0 || strings.HasPrefix(words[0], "#") || strings.HasPrefix(words[0], ":") {
		return nil
	}
	ok, join := true, "&&"
	var failed error
	for len(words) > 0 {
		end := len(words)
		for i, w := range words {
			if w == "||" || w == "&&" {
				end = i
				break
			}
		}
		if (join == "&&") == ok {
			failed = nil
			if end > 0 {
				failed = s.command(ctx, words[:end])
			}
			ok = failed == nil
			if failed != nil {
				s.last = failed
			}
		}
		if end == len(words) {
			break
		}
		join, words = words[end], words[end+1:]
		if len(words) == 0 && join == "||" {
			ok, failed = true, nil // a trailing || means: never mind
		}
	}
	if s.booted || s.ended || s.jump != "" {
		return nil
	}
	return failed
}

// command runs one command.
func (s *script) command(ctx context.Context, words []string) error {
	for i := range words {
		words[i] = s.expand(words[i])
	}
	args := words[1:]
	if n := leastArgs(words[0]); len(args) < n {
		return fmt.Errorf("%s: %d arguments, at least %d", words[0], len(args), n)
	}
	switch words[0] {
	case "set":
		name, _, _ := strings.Cut(args[0], ":")
		s.vars[name] = strings.Join(args[1:], " ")
	case "inc":
		n, err := strconv.Atoi(s.vars[args[0]])
		if err != nil {
			return fmt.Errorf("inc %s: %w", args[0], err)
		}
		s.vars[args[0]] = strconv.Itoa(n + 1)
	case "iseq":
		if args[0] != args[1] {
			return fmt.Errorf("iseq %v: not equal", args)
		}
	case "imgfetch", "kernel", "initrd":
		return s.image(ctx, words[0], args)
	case "imgfree":
		s.free(args[0])
	case "sleep":
		n, err := strconv.Atoi(args[0])
		if err != nil {
			return fmt.Errorf("sleep: %w", err)
		}
		return sleep(ctx, time.Duration(n)*time.Second)
	case "echo":
		s.console = append(s.console, strings.Join(args, " "))
	case "goto":
		s.jump = args[0]
	case "boot":
		s.booted = s.kernel != nil
		if !s.booted {
			return fmt.Errorf("boot without a kernel")
		}
	case "exit":
		s.ended = true
	default:
		return fmt.Errorf("unknown command %q", words[0])
	}
	return nil
}

// leastArgs is how many arguments a command needs.
func leastArgs(command string) int {
	switch command {
	case "set", "inc", "sleep", "imgfree", "goto":
		return 1
	case "iseq":
		return 2
	}
	return 0
}

func (s *script) free(name string) {
	if f := s.images[name]; f != nil && f == s.kernel {
		s.kernel = nil
	} else if f != nil && f == s.initrd {
		s.initrd = nil
	}
	delete(s.images, name)
}

// image loads one image.
func (s *script) image(ctx context.Context, kind string, args []string) error {
	name := ""
	if len(args) > 1 && args[0] == "--name" {
		name, args = args[1], args[2:]
	}
	if len(args) == 0 {
		return fmt.Errorf("%s without a URL", kind)
	}
	f, err := s.fetch(ctx, args[0])
	if err != nil {
		return err
	}
	s.images[name] = &f
	switch kind {
	case "kernel":
		s.kernel, s.line = &f, strings.Join(args[1:], " ")
	case "initrd":
		s.initrd = &f
	}
	return nil
}

// expand replaces ${name}.
func (s *script) expand(word string) string {
	for {
		at := strings.Index(word, "${")
		if at < 0 {
			return word
		}
		end := strings.Index(word[at:], "}")
		if end < 0 {
			return word
		}
		word = word[:at] + s.vars[word[at+2:at+end]] + word[at+end+1:]
	}
}
