package bmcsim

import (
	"fmt"
	"slices"
	"strings"
)

// check says no to one property, or yes.
type check func(key string, value any) (reply, bool)

// checkBoot is the check of the Boot object.
func (b *BMC) checkBoot(m *machine, v any) (reply, bool) {
	boot, ok := v.(object)
	if !ok {
		return badValue("Boot", fmt.Sprint(v)), false
	}
	options := b.tree[m.system+"/BootOptions"]
	for _, key := range sorted(boot) {
		if out, ok := b.checkBootKey(options, m.system, key, boot[key], boot); !ok {
			return out, false
		}
	}
	return reply{}, true
}

func (b *BMC) checkBootKey(options *resource, system, key string, v any, boot object) (reply, bool) {
	switch key {
	case "BootSourceOverrideEnabled":
		return oneOf("Disabled", "Once", "Continuous")(key, v)
	case "BootSourceOverrideTarget":
		return oneOf(b.spec.targets()...)(key, v)
	case "BootSourceOverrideMode":
		return oneOf("UEFI")(key, v)
	case "HttpBootUri", "BootNext":
		return text(key, v)
	case "BootOrder":
		var have, want []string
		if options != nil {
			for _, p := range options.members {
				have = append(have, strings.TrimPrefix(p, system+"/BootOptions/"))
			}
		}
		want = order(boot)
		if slices.Sort(want); !slices.Equal(want, slices.Sorted(slices.Values(have))) {
			return badValue(key, fmt.Sprint(v)), false
		}
		return reply{}, true
	}
	return unknownProperty("Boot/" + key), false
}

func oneOf(values ...string) check {
	return func(key string, v any) (reply, bool) {
		s, ok := v.(string)
		if !ok || !slices.Contains(values, s) {
			return badValue(key, fmt.Sprint(v)), false
		}
		return reply{}, true
	}
}

func text(key string, v any) (reply, bool) {
	if _, ok := v.(string); !ok {
		return badValue(key, fmt.Sprint(v)), false
	}
	return reply{}, true
}

func boolean(key string, v any) (reply, bool) {
	if _, ok := v.(bool); !ok {
		return badValue(key, fmt.Sprint(v)), false
	}
	return reply{}, true
}

func number(key string, v any) (reply, bool) {
	if n, ok := v.(float64); !ok || n < 0 {
		return badValue(key, fmt.Sprint(v)), false
	}
	return reply{}, true
}
