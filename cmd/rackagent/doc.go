// Command rackagent runs in the burn-in image: it introduces the node to the
// server, runs the assigned plan, watches the kernel log and sends samples.
//
// It is static and never decides a verdict. As process 1 it mounts, loads the
// drivers the devices ask for, starts the DHCP client of the image, and then
// itself; an agent that died goes on where its spool ends.
// It writes to no drive but those a plan names as targets. Server and boot
// token come from the kernel command line:
//
//	rackwright.server=http://192.0.2.1:8080 rackwright.token=…
//	rackwright.image=sha256:… rackwright.pin=sha256:…
//
// BOOTIF=01-… names the port to ask for a lease on. With rackwright.check it
// starts each packed tool once, answers on the console and switches off.
//
// Verbs: run (the default), prepare (drivers and network), tools (start each
// packed tool once), inventory, lldp, version.
package main
