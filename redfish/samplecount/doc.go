// Package samplecount is the second opinion on what a Redfish capture holds. It
// counts bodies of a resources.jsonl by their @odata.type, line by line, and
// knows nothing of links, roles, states or merge rules; package redfish shares
// no code with it. The difference between the two is what the merge rules do,
// and a test of redfish demands a rule for every one of them.
//
// What it counts for a class: Processor by ProcessorType; Memory; Drive and the
// devices of SimpleStorage; NetworkAdapter and the EthernetInterfaces below
// Systems; PowerSupply and the supplies of Power; Fan and the fans of Thermal;
// Switch; Manager; SoftwareInventory; Chassis; Cable; HpeServerDevice of
// DeviceType GPU; and distinct MAC addresses of host ports. A member that is
// whole inside its collection counts where its own line is missing.
package samplecount
