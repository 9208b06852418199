package bmcsim

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/http"
	"path"
	"strings"
)

// odata answers the two OData documents that need no login (DSP0266: OData $metadata
// and service document). ok false: the path is neither.
func (c *call) odata() (reply, bool) {
	b := c.b
	if b.capture { // its own documents, or their absence, are part of the capture
		return reply{}, false
	}
	switch c.path {
	case root + "/$metadata":
		return reply{status: http.StatusOK, raw: b.metadata()}.with("Content-Type", "application/xml;charset=utf-8"), true
	case root + "/odata":
		b.mu.Lock()
		defer b.mu.Unlock()
		value := []object{{"name": "Service", "kind": "Singleton", "url": root + "/"}}
		for _, key := range sorted(b.tree[root].doc()) {
			if at := str(b.tree[root].doc(), key, "@odata.id"); at != "" {
				value = append(value, object{"name": key, "kind": "Singleton", "url": at})
			}
		}
		value = append(value, object{"name": "Sessions", "kind": "Singleton", "url": sessions})
		return jsonReply(http.StatusOK, object{"@odata.context": root + "/$metadata", "value": value}), true
	}
	return reply{}, false
}

// metadata names the schema of every type of the tree.
func (b *BMC) metadata() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	names := map[string]map[string]bool{}
	note := func(typ string) { // "#Task.v1_7_4.Task"
		namespace, _, _ := strings.Cut(typ, ".")
		if names[namespace] == nil {
			names[namespace] = map[string]bool{namespace: true}
		}
		names[namespace][strings.TrimSuffix(typ, path.Ext(typ))] = true
	}
	for _, r := range b.tree {
		note(strings.TrimPrefix(r.typ, "#"))
	}
	for _, typ := range []string{"Message.v1_1_2.Message", "Settings.v1_3_5.Settings", "Session.v1_7_0.Session", "Task.v1_7_4.Task", "Resource.v1_16_0.Resource", "RedfishExtensions.v1_0_0.x"} {
		note(typ)
	}
	var out bytes.Buffer
	out.WriteString(xml.Header + `<edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx" Version="4.0">` + "\n")
	for _, n := range sorted(names) {
		switch {
		case n == "" || oem(n):
			continue
		case n == "RedfishExtensions":
			out.WriteString(`<edmx:Reference Uri="http://redfish.dmtf.org/schemas/v1/RedfishExtensions_v1.xml"><edmx:Include Namespace="RedfishExtensions.v1_0_0" Alias="Redfish"/></edmx:Reference>` + "\n")
			continue
		}
		fmt.Fprintf(&out, `<edmx:Reference Uri="http://redfish.dmtf.org/schemas/v1/%s_v1.xml">`, n)
		for _, space := range sorted(names[n]) {
			fmt.Fprintf(&out, `<edmx:Include Namespace="%s"/>`, space)
		}
		out.WriteString("</edmx:Reference>\n")
	}
	out.WriteString(`<edmx:DataServices><Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" Namespace="Service"><EntityContainer Name="Service" Extends="ServiceRoot.v1_15_0.ServiceContainer"/></Schema></edmx:DataServices></edmx:Edmx>` + "\n")
	return out.Bytes()
}

// oem types have no schema at DMTF.
func oem(namespace string) bool {
	return strings.HasPrefix(namespace, "Nvidia") || strings.HasPrefix(namespace, "Rackwright")
}

// describe adds the headers that every good read carries.
func (c *call) describe(out reply, typ string) reply {
	if out.status >= 300 {
		return out
	}
	c.b.mu.Lock()
	allow := "GET, HEAD"
	if c.path == sessions {
		allow += ", POST"
	}
	if c.b.writable(c.path) != nil || strings.HasPrefix(c.path, accounts+"/") {
		allow += ", PATCH"
	}
	if strings.HasPrefix(c.path, sessions+"/") {
		allow += ", DELETE"
	}
	c.b.mu.Unlock()
	if name, _, ok := strings.Cut(strings.TrimPrefix(typ, "#"), "."); ok && !oem(name) {
		file := strings.TrimSuffix(strings.TrimPrefix(typ, "#"), path.Ext(typ))
		out = out.with("Link", "<http://redfish.dmtf.org/schemas/v1/"+file+".json>; rel=describedby")
	}
	return out.with("Allow", allow)
}
