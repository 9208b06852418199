package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// terminal CODE COMMAND...: runs the command on a pseudo-terminal of its own,
// as a person at a desk would; what it drew is left in the file screen.
func terminal(ts *testscript.TestScript, _ bool, args []string) {
	desk(ts, "", args)
}

// answers TEXT CODE COMMAND...: the same, with a person who types TEXT when asked.
func answers(ts *testscript.TestScript, _ bool, args []string) {
	desk(ts, args[0]+"\n", args[1:])
}

// desk runs CODE COMMAND... on a pseudo-terminal that holds what a person typed.
func desk(ts *testscript.TestScript, typed string, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	master, slave := pty(ts)
	path, err := exec.LookPath(args[1])
	ts.Check(err)
	cmd := exec.Command(path, args[2:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"HOME", "PATH", "RACKWRIGHT_SERVER", "RACKWRIGHT_PIN", "RACKWRIGHT_TOKEN", "NO_COLOR"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	cmd.Env = append(cmd.Env, "TERM=xterm", "TESTSCRIPT_COMMAND=")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	ts.Check(cmd.Start())
	ts.Check(slave.Close())
	_, err = master.WriteString(typed) // the terminal keeps it until it is read
	ts.Check(err)
	var drawn bytes.Buffer
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		_, _ = io.Copy(&drawn, master) // ends with EIO when the last process has left the terminal
	}()
	late := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	got := status(cmd.Wait())
	<-copied
	ts.Check(master.Close())
	ts.Check(os.WriteFile(ts.MkAbs("screen"), bytes.ReplaceAll(drawn.Bytes(), []byte("\r\n"), []byte("\n")), 0o644))
	if got != want {
		ts.Fatalf("%s ended with %d, want %d: %s", strings.Join(args[1:], " "), got, want, drawn.String())
	}
}

func pty(ts *testscript.TestScript) (desk, slave *os.File) {
	desk, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	ts.Check(err)
	n, err := unix.IoctlGetInt(int(desk.Fd()), unix.TIOCGPTN)
	ts.Check(err)
	ts.Check(unix.IoctlSetPointerInt(int(desk.Fd()), unix.TIOCSPTLCK, 0))
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	ts.Check(err)
	ts.Check(unix.IoctlSetWinsize(int(desk.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 132}))
	return desk, slave
}
