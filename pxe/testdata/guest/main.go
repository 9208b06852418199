// Command guest is process 1 of the machines in the real-firmware tests: it
// says on the console that the kernel and this initramfs were booted, with
// which command line, and ends the machine.
package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

func main() {
	out := os.Stdout
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		fmt.Fprintln(out, "RACKWRIGHT-GUEST no proc:", err)
	}
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		fmt.Fprintln(out, "RACKWRIGHT-GUEST no command line:", err)
	}
	fmt.Fprintf(out, "\nRACKWRIGHT-GUEST-UP %s\n", strings.TrimSpace(string(line)))
	how := syscall.LINUX_REBOOT_CMD_POWER_OFF
	if strings.Contains(string(line), "guest.end=reboot") {
		how = syscall.LINUX_REBOOT_CMD_RESTART
	}
	time.Sleep(200 * time.Millisecond) // the serial line drains
	if err := syscall.Reboot(how); err != nil {
		fmt.Fprintln(out, "RACKWRIGHT-GUEST cannot end:", err)
	}
	select {}
}
