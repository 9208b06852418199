package redfish

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"
)

// alarmCache remembers the bodies between root and sensors, which say only
// where the sensors are.
type alarmCache struct {
	mu     sync.Mutex
	bodies map[string]json.RawMessage
	until  time.Time
}

const alarmCacheFor = 10 * time.Minute

func (c *alarmCache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bodies = nil
}

// cachedGetter is a reader that answers from memory where it may.
type cachedGetter struct {
	cache *alarmCache
	next  getter
	keep  func(json.RawMessage) bool // the body says only where sensors are
}

func (g cachedGetter) get(ctx context.Context, uri string) (json.RawMessage, error) {
	if body, ok := g.cache.load(uri); ok {
		return body, nil
	}
	body, err := g.next.get(ctx, uri)
	if err == nil && g.keep(body) {
		g.cache.store(uri, body)
	}
	return body, err
}

func (c *alarmCache) load(uri string) (json.RawMessage, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Now().After(c.until) {
		c.bodies = nil
	}
	body, ok := c.bodies[uri]
	return body, ok
}

func (c *alarmCache) store(uri string, body json.RawMessage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bodies == nil {
		c.bodies, c.until = map[string]json.RawMessage{}, time.Now().Add(alarmCacheFor)
	}
	c.bodies[uri] = body
}

// structural: a body that holds links and no reading that can alarm. A
// collection with whole members holds readings.
func structural(body json.RawMessage) bool {
	r, err := parseResource(body, "/")
	if err != nil {
		return false
	}
	switch r.kind {
	case "ServiceRoot", "Chassis", "LeakDetection", "PowerSubsystem", "ThermalEquipment", "PowerEquipment", "PowerDistribution", "CoolingUnit":
		return true
	case "Sensor":
		return !limitedHeat(r)
	}
	if !strings.HasSuffix(r.kind, "Collection") {
		return false
	}
	for _, m := range extract(r.fields, "Members") {
		if _, whole := linkOf(m); whole {
			return false
		}
	}
	return true
}
