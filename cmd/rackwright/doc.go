// Command rackwright is server, CLI and demo in one static file. It brings
// racks of GPU and Trainium nodes from delivery to a signed handover.
//
// A verb file imports the API client only; the verbs that work offline import
// their one room. Only main exits; every verb returns an error, and one table
// turns errors into exit codes (interface.md §2).
package main
