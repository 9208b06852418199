package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// mounts are what the agent and the tools need when the kernel starts the agent
// as its first process. An image with an init of its own has made them already.
var mounts = []struct{ source, target, kind string }{
	{"proc", "/proc", "proc"}, {"sysfs", "/sys", "sysfs"}, {"devtmpfs", "/dev", "devtmpfs"},
	{"tmpfs", "/run", "tmpfs"}, {"tmpfs", "/tmp", "tmpfs"}, {"tmpfs", "/dev/shm", "tmpfs"},
}

const (
	restarts     = 5 // of an agent that died; it goes on where its spool ends
	restartPause = 5 * time.Second
)

// asInit is process 1: mount, prepare the machine, start the agent, bury what
// dies, then stay. The kernel panics when process 1 ends; the conductor
// switches the node off when it has what it wants. The agent is a process of
// its own because burying every orphan would steal the children its runner
// waits for.
func asInit(console io.Writer) int {
	for _, m := range mounts {
		err := os.MkdirAll(m.target, 0o755)
		if err == nil {
			err = unix.Mount(m.source, m.target, m.kind, unix.MS_NOSUID, "")
		}
		if err != nil && !errors.Is(err, unix.EBUSY) {
			fmt.Fprintf(console, "rackagent: mount %s: %v\n", m.target, err)
		}
	}
	g := grave{console: console}
	g.child("prepare")
	for range restarts {
		status := g.child("run")
		if status == 0 {
			break
		}
		fmt.Fprintf(console, "rackagent: run ended with %d; it is started again in %s\n", status, restartPause)
		time.Sleep(restartPause)
	}
	fmt.Fprintln(console, "rackagent: nothing is left to do; waiting to be switched off")
	for {
		g.bury(-1)
	}
}

// grave is where the children of process 1 end.
type grave struct{ console io.Writer }

// child runs a verb of this program to its end and returns its exit code, 255
// when a signal ended it or it could not be started.
func (g grave) child(verb string) int {
	p, err := os.StartProcess("/proc/self/exe", []string{"rackagent", verb}, &os.ProcAttr{
		Dir: "/", Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, Files: []*os.File{nil, os.Stdout, os.Stderr}})
	if err != nil {
		fmt.Fprintf(g.console, "rackagent: start %s: %v\n", verb, err)
		return 255
	}
	return g.bury(p.Pid)
}

// bury waits for children until the one with the number ended; -1 waits once.
func (g grave) bury(number int) int {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil: // ECHILD: nothing is left to bury
			time.Sleep(time.Second)
			if number != -1 {
				return 255
			}
			return 0
		case pid == number && status.Exited():
			return status.ExitStatus()
		case pid == number:
			return 255
		case number == -1:
			return 0
		}
	}
}
