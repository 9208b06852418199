// Command rackagent runs in the burn-in image: it introduces the node to the
// server, runs the assigned plan, watches the kernel log and sends samples.
//
// It is static, needs no other program of its own, and never decides a verdict.
// It writes to no drive but those a plan names as targets. Server and boot
// token come from the kernel command line:
//
//	rackwright.server=http://192.0.2.1:8080 rackwright.token=…
//	rackwright.image=sha256:… rackwright.pin=sha256:…
//
// Verbs: run (the default), tools (start each packed tool once), inventory,
// lldp, version.
package main
