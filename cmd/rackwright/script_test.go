package main

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs testdata/*.txt: the command line as a person would type it,
// against a real server on loopback.
func TestScripts(t *testing.T) { scripts(t, false) }

// TestRefusals runs testdata/refuse_*.txt: what must not work says what, where
// and how to fix it, has its exit code, and leaves nothing lost or half done.
func TestRefusals(t *testing.T) { scripts(t, true) }

func scripts(t *testing.T, refusals bool) {
	all, err := filepath.Glob(filepath.Join("testdata", "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, f := range all {
		if strings.HasPrefix(filepath.Base(f), "refuse_") == refusals {
			files = append(files, f)
		}
	}
	if len(files) == 0 {
		t.Fatal("there are no scripts")
	}
	paper, err := os.ReadFile(filepath.Join("demo", "paper.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{Files: files, Cmds: scriptCommands, RequireUniqueNames: true, Setup: func(e *testscript.Env) error {
		e.Setenv("HOME", filepath.Join(e.WorkDir, "home"))
		e.Setenv("XDG_CONFIG_HOME", "")
		return os.WriteFile(filepath.Join(e.WorkDir, "a12.yaml"), bytes.ReplaceAll(paper, []byte("site: demo"), []byte("site: site")), 0o644)
	}})
}

// scriptCommands are the words that scripts use beside those of testscript.
var scriptCommands = map[string]func(*testscript.TestScript, bool, []string){
	"exits": exits, "serve": serveCommand, "quit": quit, "hire": hireCommand, "as": as, "port": port, "eventually": eventually, "mode": mode, "capture": capture, "members": members, "baselineKey": baselineKey, "signFile": signFile, "record": record, "answers": answers, "newer": newer, "terminal": terminal, "tamper": tamper,
}

// exits CODE COMMAND...: the command ends with exactly this code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := status(ts.Exec(args[1], args[2:]...)); got != want {
		ts.Fatalf("%s ended with %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

func status(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}

// eventually CODE PATTERN COMMAND...: within 30 s the command ends with the
// code and its standard output matches.
func eventually(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	pattern := regexp.MustCompile("(?m)" + args[1])
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		got := status(ts.Exec(args[2], args[3:]...))
		out := ts.ReadFile("stdout")
		if got == want && pattern.MatchString(out) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s: last ended with %d and said %s", strings.Join(args[2:], " "), got, out)
		}
	}
}

var startLines = regexp.MustCompile(`serves (https://\S+)\nkey pin (\w+)\n(?:admin token [^:]*: (\S+)\n)?`)

// serve NAME ARGS...: starts a server on a free port, and sets RACKWRIGHT_SERVER
// and RACKWRIGHT_PIN; the bootstrap token becomes TOKEN_admin.
func serveCommand(ts *testscript.TestScript, _ bool, args []string) {
	log := ts.MkAbs(args[0] + ".log")
	f, err := os.Create(log)
	ts.Check(err)
	defer f.Close()
	binary, err := exec.LookPath("rackwright")
	ts.Check(err)
	cmd := exec.Command(binary, append([]string{"serve", "--set", "management.address=127.0.0.1:0,conductor.poll=50ms"}, args[1:]...)...)
	cmd.Dir, cmd.Stderr, cmd.Stdout = ts.MkAbs("."), f, f
	cmd.Env = append(os.Environ(), "HOME="+ts.Getenv("HOME"))
	ts.Check(cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	ts.Setenv("PID_"+args[0], strconv.Itoa(cmd.Process.Pid))
	ts.Defer(func() { finish(ts, cmd, ended) })
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		raw, err := os.ReadFile(log)
		ts.Check(err)
		if m := startLines.FindSubmatch(raw); m != nil {
			ts.Setenv("RACKWRIGHT_SERVER", string(m[1]))
			ts.Setenv("ADDRESS_"+args[0], strings.TrimPrefix(string(m[1]), "https://"))
			ts.Setenv("RACKWRIGHT_PIN", string(m[2]))
			if len(m[3]) > 0 {
				ts.Setenv("TOKEN_admin", string(m[3]))
				ts.Setenv("RACKWRIGHT_TOKEN", string(m[3]))
			}
			return
		}
	}
	ts.Fatalf("the server did not start: %s", ts.ReadFile(args[0]+".log"))
}

func finish(ts *testscript.TestScript, cmd *exec.Cmd, ended chan error) {
	_ = cmd.Process.Signal(syscall.SIGTERM) // it may have been stopped by the script
	select {
	case err := <-ended:
		if code := status(err); code != 0 && cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			ts.Logf("the server ended with %v", err)
		}
	case <-time.After(15 * time.Second):
		_ = cmd.Process.Kill()
		ts.Logf("the server did not end within 15 s of SIGTERM")
	}
}

// quit NAME [KILL]: ends a server and waits until it is gone.
func quit(ts *testscript.TestScript, _ bool, args []string) {
	pid, err := strconv.Atoi(ts.Getenv("PID_" + args[0]))
	ts.Check(err)
	sig := syscall.SIGTERM
	if len(args) > 1 {
		sig = syscall.SIGKILL
	}
	ts.Check(syscall.Kill(pid, sig))
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if syscall.Kill(pid, 0) != nil {
			return
		}
	}
	ts.Fatalf("server %s did not end within 15 s", args[0])
}

// hire PERSON ROLE [ARGS...]: the admin adds a person and makes a token.
func hireCommand(ts *testscript.TestScript, _ bool, args []string) {
	now := ts.Getenv("RACKWRIGHT_TOKEN")
	ts.Setenv("RACKWRIGHT_TOKEN", ts.Getenv("TOKEN_admin"))
	ts.Check(ts.Exec("rackwright", append([]string{"people", "save", args[0], "--name", args[0], "--role", args[1]}, args[2:]...)...))
	ts.Check(ts.Exec("rackwright", "people", "token", args[0], "-o", "name"))
	ts.Setenv("TOKEN_"+args[0], strings.TrimSpace(ts.ReadFile("stdout")))
	ts.Setenv("RACKWRIGHT_TOKEN", now)
}

// as PERSON: what follows is said by this person.
func as(ts *testscript.TestScript, _ bool, args []string) {
	token := ts.Getenv("TOKEN_" + args[0])
	if token == "" {
		ts.Fatalf("%s was not hired", args[0])
	}
	ts.Setenv("RACKWRIGHT_TOKEN", token)
}

// port VAR: occupies a port until the script ends and names it.
func port(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() }) // the script is over
	ts.Setenv(args[0], l.Addr().String())
}

// mode MODE FILE: the file has these permissions.
func mode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
	}
}

// capture VAR PATTERN: the pattern's group, found in the last standard output.
func capture(ts *testscript.TestScript, _ bool, args []string) {
	m := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if m == nil {
		ts.Fatalf("standard output has no %s", args[1])
	}
	ts.Setenv(args[0], m[1])
}

// members MILESTONE: all four nodes of A12 come to it.
func members(ts *testscript.TestScript, _ bool, args []string) {
	eventually(ts, false, []string{"0", "A12/C01\nA12/C02\nA12/C03\nA12/C04", "rackwright", "get", "nodes", "A12", "--milestone", args[0], "-o", "name"})
}

// newer [back] FILE: the record claims a schema of the future, or no more.
func newer(ts *testscript.TestScript, _ bool, args []string) {
	if args[0] == "back" {
		statement(ts, args[1], "DELETE FROM goose_db_version WHERE version_id = 999")
		return
	}
	statement(ts, args[0], "INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)")
}

// tamper FILE: somebody changes one entry of a chain.
func tamper(ts *testscript.TestScript, _ bool, args []string) {
	statement(ts, args[0], "UPDATE event SET body = replace(body, 'A12', 'A13') WHERE seq = 2")
}

func statement(ts *testscript.TestScript, file, text string) {
	db, err := sql.Open("sqlite", ts.MkAbs(file))
	ts.Check(err)
	_, err = db.Exec(text)
	ts.Check(errors.Join(err, db.Close()))
}
