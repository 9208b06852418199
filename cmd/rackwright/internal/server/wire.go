package server

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"aead.dev/minisign"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/conductor"
	"github.com/rackwright/rackwright/images/burnin/plan"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/redfish"
)

// wire says who gets what.
func (s *Server) wire(context.Context) error {
	trusted, err := s.trusted()
	if err != nil {
		return err
	}
	s.conductor = s.driver()
	s.steps().Fill(s.conductor)
	s.api = &api.Service{Store: s.store, Images: s.catalogue, Sealer: s.keys, Signing: s.keys.Signing, Simulated: s.keys.Simulated, Site: s.o.Config.Site,
		Version: s.o.Version, Wake: s.conductor.Wake, Log: s.o.Log.With("room", "api"), Baselines: trusted, Backup: s.record.Backup}
	return s.conductor.Check(lifecycle.NodeMilestones(), lifecycle.RackMilestones())
}

func (s *Server) trusted() ([]minisign.PublicKey, error) {
	var out []minisign.PublicKey
	for _, text := range s.o.Config.Firmware.Keys {
		var k minisign.PublicKey
		if err := k.UnmarshalText([]byte(text)); err != nil {
			return nil, fmt.Errorf("firmware.keys: %q is no minisign public key: %w", text, err)
		}
		out = append(out, k)
	}
	return out, nil
}

func (s *Server) driver() *conductor.Conductor {
	k := s.o.Config.Conductor
	host, err := os.Hostname()
	if err != nil {
		host = "server"
	}
	return &conductor.Conductor{Store: s.store, Holder: inventory.Holder(fmt.Sprintf("%s-%d-%d", host, os.Getpid(), time.Now().UnixNano())),
		Parallel: k.Parallel, Log: s.o.Log.With("room", "conductor"), Timing: conductor.Timing{Lease: k.Lease, Poll: k.Poll,
			Cut: k.Cut, Renew: k.Renew, Margin: k.Margin, Backoff: k.Backoff, Longest: k.Longest, Settle: k.Settle}}
}

// steps are the makers of machine evidence, and the certifier.
func (s *Server) steps() *conductor.Steps {
	c := s.o.Config
	cert := conductor.Certifier{Store: s.store, Key: s.keys.Signing, Simulated: s.keys.Simulated}
	access := &conductor.Access{Store: s.store, Sealer: s.keys}
	for _, text := range c.Redfish.Networks {
		access.Networks = append(access.Networks, netip.MustParsePrefix(text).Masked()) // config has checked it
	}
	s.dialer = &redfish.Dialer{Credentials: access, Profiles: redfish.Profiles(), PerBMC: c.Redfish.PerBMC, Memory: s.store, Log: s.o.Log.With("room", "redfish")}
	access.Dialer = s.dialer
	s.safety = conductor.NewSafety(s.store, access, s.conductor.Holder, c.Redfish.Watch, s.o.Log.With("room", "safety"))
	s.safety.Spool = filepath.Join(c.Data, "leaks.spool")
	if len(access.Networks) > 0 && c.Redfish.Look > 0 {
		s.scout = conductor.NewScout(s.store, access.Networks, c.Redfish.Look, s.o.Log.With("room", "redfish"))
	}
	secure := &conductor.Secure{Store: s.store, Access: access, Poll: c.Conductor.Settle}
	sweep := &conductor.Sweep{Store: s.store, Access: access, Secure: secure, Blobs: s.images, Again: c.Redfish.Again, Leak: s.safety.Leak}
	out := &conductor.Steps{Store: s.store, Freeze: cert.Freeze, Issue: cert.Issue,
		Makers: map[inventory.Milestone]conductor.Maker{
			inventory.NodeDiscovered: sweep,
			inventory.NodeSecured:    secure,
			inventory.NodeVerified:   sweep,
			inventory.NodeBaselined:  &conductor.Flash{Store: s.store, Devices: access, Payloads: s.images, Quiet: c.Firmware.Quiet, Poll: c.Conductor.Settle},
		},
		Extra: map[inventory.OpKind]conductor.Maker{
			inventory.OpSweep:  sweep,
			inventory.OpLocate: &conductor.Locate{Store: s.store, Access: access},
			inventory.OpPower:  &conductor.Power{Store: s.store, Access: access, Poll: c.Conductor.Settle, Quiet: c.Redfish.Quiet},
		}}
	if s.book != nil {
		out.Makers[inventory.NodeBurnedIn] = &conductor.Burn{Store: s.store, Access: access, Book: s.book, Boots: s.store, Plan: plan.Embedded, Heard: s.machines.ingest.Heard,
			Default: c.BurnIn.Plan, Image: c.BurnIn.Image, Boot: c.BurnIn.Boot, Heartbeat: c.BurnIn.Heartbeat, Poll: c.Conductor.Settle, Quiet: c.Redfish.Quiet}
	}
	return out
}
