package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rackwright/rackwright/inventory"
)

func (a *app) getWaivers(c *cobra.Command, args []string) error {
	cl, err := a.connect()
	if err != nil {
		return err
	}
	list, err := cl.Waivers(c.Context(), args[0])
	if err != nil {
		return err
	}
	name := addresses(c.Context(), cl)
	t := table{columns: []string{"waiver", "gate or finding", "on", "asked by", "approved by", "until", "reason"}, value: list, empty: "no waivers"}
	for _, w := range list {
		approved := "nobody yet"
		if w.Approver != "" {
			approved = string(w.Approver)
		}
		t.rows = append(t.rows, []string{string(w.ID), string(w.Gate) + string(w.Finding), name(w.Subject), string(w.Requester), approved, stamp(w.Until), w.Reason})
	}
	return a.print(t)
}

func (a *app) getRequests(c *cobra.Command, args []string) error {
	cl, err := a.connect()
	if err != nil {
		return err
	}
	list, err := cl.Requests(c.Context(), args[0])
	if err != nil {
		return err
	}
	t := table{columns: []string{"run", "operation", "state", "targets", "asked by", "at", "answer"}, value: list, empty: "nothing was asked yet"}
	for _, r := range list {
		said := r.Answer
		if said == "" && len(r.Lines) > 0 {
			said = strings.TrimSpace(r.Lines[0].Result + " " + r.Lines[0].Detail)
		}
		t.rows = append(t.rows, []string{string(r.Run), string(r.Op), string(r.State), strconv.Itoa(len(r.Lines)), string(r.By), stamp(r.At), said})
	}
	return a.print(t)
}

func (a *app) getEvents(c *cobra.Command, args []string) error {
	cl, err := a.connect()
	if err != nil {
		return err
	}
	const page = 1000
	var list []inventory.Entry
	for more := true; more; {
		after := uint64(0)
		if len(list) > 0 {
			after = list[len(list)-1].Seq
		}
		next, err := cl.RackEvents(c.Context(), args[0], after, page)
		if err != nil {
			return err
		}
		list, more = append(list, next...), len(next) == page
	}
	t := table{columns: []string{"no", "at", "kind", "on", "by", "via", "what", "hash"}, wide: 7, value: list, empty: "no events"}
	name := addresses(c.Context(), cl)
	for _, e := range list {
		on, text := toldOf(e, name)
		t.rows = append(t.rows, []string{strconv.FormatUint(e.Seq, 10), stamp(e.At), e.Kind, on, e.By, e.Via, text, string(e.Hash)})
	}
	return a.print(t)
}

func (a *app) getLocks(c *cobra.Command, _ []string) error {
	cl, err := a.connect()
	if err != nil {
		return err
	}
	list, err := cl.Locks(c.Context())
	if err != nil {
		return err
	}
	name := addresses(c.Context(), cl)
	t := table{columns: []string{"scope", "run", "state", "since"}, value: list, empty: "nothing is locked"}
	for _, l := range list {
		t.rows = append(t.rows, []string{name(l.Scope), string(l.Run), l.State, stamp(l.Since)})
	}
	return a.print(t)
}

func (a *app) getSightings(c *cobra.Command, _ []string) error {
	cl, err := a.connect()
	if err != nil {
		return err
	}
	list, err := cl.Sightings(c.Context())
	if err != nil {
		return err
	}
	t := table{columns: []string{"mac", "class", "address", "seen", "last", "detail"}, value: list, empty: "no unknown machine has spoken to us"}
	for _, s := range list {
		t.rows = append(t.rows, []string{string(s.MAC), s.Class, s.Addr, fmt.Sprint(s.Count), stamp(s.At), s.Detail})
	}
	return a.print(t)
}
