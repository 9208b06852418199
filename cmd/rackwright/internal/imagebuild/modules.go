package imagebuild

import (
	"bytes"
	"debug/elf"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// module is one kernel module with what its .modinfo section says. The package
// has no modules.dep: depmod runs at installation, and nothing is installed here.
type module struct {
	path    string // inside the image
	content []byte
	depends []string // module names, and those of its soft dependencies that exist
	soft    []string // "pre:" soft dependencies; absent ones do no harm
	aliases []string
	pkg     string
}

// moduleName is a file's name as the kernel writes it: dashes are underscores.
func moduleName(file string) string {
	base, _, _ := strings.Cut(path.Base(file), ".ko")
	return strings.ReplaceAll(base, "-", "_")
}

// readModule reads the .modinfo section: NUL-separated key=value.
func readModule(f file) (module, error) {
	name, content, err := unpacked(f.path, f.content)
	if err != nil {
		return module{}, err
	}
	m := module{path: name, content: content, pkg: f.pkg}
	e, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		return m, fmt.Errorf("kernel module /%s: %w", f.path, err)
	}
	defer e.Close()
	section := e.Section(".modinfo")
	if section == nil {
		return m, fmt.Errorf("kernel module /%s: it has no .modinfo", f.path)
	}
	info, err := section.Data()
	if err != nil {
		return m, fmt.Errorf("kernel module /%s: .modinfo: %w", f.path, err)
	}
	m.info(string(info))
	return m, nil
}

func (m *module) info(text string) {
	for entry := range strings.SplitSeq(text, "\x00") {
		key, value, _ := strings.Cut(entry, "=")
		switch key {
		case "depends":
			for d := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == ',' }) {
				m.depends = append(m.depends, strings.ReplaceAll(d, "-", "_"))
			}
		case "alias":
			m.aliases = append(m.aliases, value)
		case "softdep":
			if pre, ok := strings.CutPrefix(value, "pre:"); ok {
				pre, _, _ = strings.Cut(pre, "post:")
				for d := range strings.FieldsSeq(pre) {
					m.soft = append(m.soft, strings.ReplaceAll(d, "-", "_"))
				}
			}
		}
	}
}

// kernelModules are all modules of a kernel package, by name.
type kernelModules map[string]module

// pick returns the modules of the list and everything they depend on. builtin
// names what the kernel has without a module.
func (k kernelModules) pick(want []string, builtin map[string]bool) (map[string]module, error) {
	out := map[string]module{}
	queue := slices.Clone(want)
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		m, ok := k[name]
		_, done := out[name]
		switch {
		case done || !ok && builtin[name]:
			continue
		case !ok:
			return nil, fmt.Errorf("the kernel package has no module %s; take it off the image's list, or take another kernel", name)
		}
		soft := slices.DeleteFunc(slices.Clone(m.soft), func(s string) bool { _, ok := k[s]; return !ok || builtin[s] })
		m.depends = append(slices.Clone(m.depends), soft...)
		out[name] = m
		queue = append(queue, m.depends...)
	}
	return out, nil
}

// indexes writes modules.dep and modules.alias as depmod does (modules.dep(5)):
// every line of modules.dep lists all dependencies, the first to load last.
func indexes(picked map[string]module, base string) (dep, alias []byte, err error) {
	var d, a bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(picked)) {
		m := picked[name]
		order, err := loadOrder(picked, name, nil)
		if err != nil {
			return nil, nil, err
		}
		fmt.Fprintf(&d, "%s:", relative(m.path, base))
		for _, dep := range slices.Backward(order[:len(order)-1]) {
			fmt.Fprintf(&d, " %s", relative(picked[dep].path, base))
		}
		d.WriteByte('\n')
		for _, x := range m.aliases {
			fmt.Fprintf(&a, "alias %s %s\n", x, name)
		}
	}
	return d.Bytes(), a.Bytes(), nil
}

func relative(p, base string) string { return strings.TrimPrefix(p, base+"/") }

// loadOrder lists a module after everything it needs.
func loadOrder(picked map[string]module, name string, above []string) ([]string, error) {
	if slices.Contains(above, name) {
		return nil, fmt.Errorf("kernel module %s depends on itself through %v", name, above)
	}
	var out []string
	for _, d := range picked[name].depends {
		if _, ok := picked[d]; !ok {
			continue // built into the kernel
		}
		sub, err := loadOrder(picked, d, append(slices.Clone(above), name))
		if err != nil {
			return nil, err
		}
		for _, s := range sub {
			if !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return append(out, name), nil
}
