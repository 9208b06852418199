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
	{"tmpfs", "/run", "tmpfs"}, {"tmpfs", "/tmp", "tmpfs"},
}

// asInit is process 1: mount, start the agent as a child, bury what dies, then
// stay. The kernel panics when process 1 ends; the conductor switches the node
// off when it has what it wants. The agent is a process of its own because
// burying every orphan would steal the children its runner waits for.
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
	child, err := os.StartProcess("/proc/self/exe", []string{"rackagent", "run"}, &os.ProcAttr{
		Dir: "/", Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, Files: []*os.File{nil, os.Stdout, os.Stderr}})
	if err != nil {
		fmt.Fprintf(console, "rackagent: start the agent: %v\n", err)
		select {}
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ECHILD):
			time.Sleep(time.Second) // nothing is left to bury
		case err != nil:
			fmt.Fprintf(console, "rackagent: wait: %v\n", err)
			time.Sleep(time.Second)
		case pid == child.Pid:
			fmt.Fprintf(console, "rackagent: run ended with %d; waiting to be switched off\n", status.ExitStatus())
		}
	}
}
