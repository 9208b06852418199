// Package server joins the rooms into one process: record, keys, API, pages,
// conductor and the services that machines speak to. It decides nothing
// itself. Management and provisioning have listeners of their own; the first
// start makes keys (0600) and one admin token, which is shown once.
//
// Entry points: [New], [Server.Run].
package server
