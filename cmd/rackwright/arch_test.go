package main

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/rackwright/rackwright/"

// rooms is the table of architecture.md §4: what a package of this module may
// import of this module. A new sub-package takes the row of its nearest parent
// until it has its own. A trailing /* allows the whole tree below.
var rooms = map[string][]string{
	"inventory":                  {},
	"inventory/lifecycle":        {"inventory"},
	"inventory/sqlstore":         {"inventory", "inventory/lifecycle"},
	"inventory/storetest":        {"inventory", "inventory/lifecycle"},
	"inventory/handover":         {"inventory", "inventory/lifecycle"},
	"inventory/facts":            {"inventory", "inventory/lifecycle"},
	"inventory/storetest/pgtest": {},
	"inventory/intake":           {"inventory", "inventory/lifecycle"},
	"images":                     {"inventory"},
	"images/burnin":              {"inventory"},
	"images/burnin/tool":         {"inventory", "images/burnin"},
	"images/burnin/plan":         {"inventory", "images/burnin"},
	"images/burnin/report":       {"inventory", "images/burnin"},
	"images/burnin/simagent":     {"inventory", "images/burnin", "images/burnin/tool"},
	"redfish":                    {"inventory"},
	"redfish/bmcsim":             {"inventory"},
	"pxe":                        {"inventory", "images"},
	"pxe/romsim":                 {"inventory"},
	"firmware":                   {"inventory", "images"},
	"firmware/oob":               {"firmware", "redfish", "inventory", "images"},
	"cmd/rackagent":              {"inventory", "images/burnin", "images/burnin/tool"},
	"cmd/rackwright":             {"cmd/rackwright/internal/*", "inventory", "inventory/*", "images", "images/*", "firmware", "firmware/*", "redfish", "redfish/*", "pxe", "pxe/*"},
	"cmd/rackwright/internal":    {},
	internal + "config":          {},
	internal + "auth":            {"inventory"},
	internal + "api":             apiMay,
	internal + "web":             append([]string{internal + "api"}, apiMay...),
	internal + "client":          {internal + "api", "inventory"},
	internal + "conductor":       {"inventory", "inventory/lifecycle", "inventory/facts", "inventory/handover", "images", "images/burnin", "images/burnin/plan", "firmware", "firmware/oob", "redfish", "pxe"},
	internal + "server":          {internal + "*", "inventory", "inventory/*", "images", "images/*", "firmware", "firmware/*", "redfish", "pxe"},
	internal + "virtualrack":     {"redfish/bmcsim", "pxe/romsim", "images/burnin", "images/burnin/*", "inventory"},
	internal + "imagebuild":      {"inventory", "images"},
	internal + "agentbin":        {},
	internal + "killtest":        {},
}

const internal = "cmd/rackwright/internal/"

var apiMay = []string{"inventory", "inventory/lifecycle", "inventory/facts", "inventory/intake", "inventory/handover", "images", "images/burnin",
	"images/burnin/plan", "images/burnin/report", "firmware", internal + "auth"}

// testsMay is what the tests of a package may import beyond its row: the
// simulators and the real store stand on the other side of the wire there.
var testsMay = map[string][]string{
	"inventory/sqlstore":     {"inventory/storetest", "inventory/storetest/*", "inventory/intake", "inventory/handover"},
	"inventory/intake":       {"inventory/sqlstore"},
	"inventory/handover":     {"inventory/intake", "inventory/sqlstore"},
	"inventory/storetest":    {"inventory/sqlstore"},
	"images":                 {"inventory/sqlstore"},
	"images/burnin":          {"images/burnin/tool", "images/burnin/plan", "images/burnin/simagent", "inventory/sqlstore"},
	"images/burnin/tool":     {"images/burnin/plan"},
	"images/burnin/report":   {"images/burnin/plan", "images/burnin/tool", "images/burnin/simagent"},
	"images/burnin/simagent": {"images/burnin/plan"},
	"redfish":                {"redfish/bmcsim", "redfish/samplecount"},
	"redfish/bmcsim":         {"redfish"},
	"pxe":                    {"pxe/romsim", "inventory/sqlstore"},
	"firmware":               {"firmware/oob", "redfish", "redfish/bmcsim", "inventory/sqlstore"},
	"firmware/oob":           {"redfish/bmcsim", "inventory/sqlstore"},
	"cmd/rackagent":          {"images/burnin/plan", "images/burnin/simagent"},
	internal + "auth":        {"inventory/sqlstore", "inventory/intake"},
	internal + "api":         {"inventory/sqlstore", "inventory/storetest/*"},
	internal + "web":         {"inventory/storetest", "inventory/sqlstore", "inventory/storetest/*", "inventory/intake"},
	internal + "client":      {internal + "*", "inventory/sqlstore"},
	internal + "conductor":   {"inventory/storetest", internal + "virtualrack", "redfish/bmcsim", "pxe/romsim", "images/burnin/*", "inventory/sqlstore", "inventory/storetest/*", "inventory/intake"},
	internal + "server":      {"redfish/bmcsim", "pxe/romsim", internal + "*", "inventory/storetest/*"},
	internal + "virtualrack": {internal + "*", "inventory/*", "redfish", "pxe", "images"},
	internal + "killtest":    {internal + "*", "inventory", "inventory/*", "redfish/bmcsim"},
	internal + "imagebuild":  {"cmd/rackwright/internal/*", "images/burnin", "images/burnin/*", "inventory/sqlstore", "inventory/storetest/*"},
}

// outside says which packages of this module may import a foreign package.
var outside = map[string][]string{
	"github.com/spf13/viper":          {internal + "config"},
	"github.com/danielgtaylor/huma":   {internal + "api"},
	"github.com/spf13/cobra":          {"cmd/rackwright"},
	"github.com/vbauerster/mpb":       {"cmd/rackwright"},
	"github.com/stmcginnis/gofish":    {"redfish"},
	"github.com/bmc-toolbox/bmclib":   {"redfish"},
	"modernc.org/sqlite":              {"inventory/sqlstore"},
	"github.com/jackc/pgx":            {"inventory/sqlstore", "inventory/storetest/pgtest"},
	"github.com/pressly/goose":        {"inventory/sqlstore"},
	"database/sql":                    {"inventory/sqlstore", "inventory/storetest/pgtest"},
	"github.com/insomniacslk/dhcp":    {"pxe", "pxe/romsim"},
	"github.com/pin/tftp":             {"pxe", "pxe/romsim"},
	"github.com/digitalocean/go-qemu": {internal + "virtualrack"},
	"os/exec":                         {"images/burnin", "cmd/rackagent", internal + "virtualrack", internal + "imagebuild", "inventory/storetest/pgtest"},
	"log":                             {},
	"github.com/pkg/errors":           {},
	"testing":                         {"inventory/storetest", "inventory/storetest/pgtest"},
}

type listed struct {
	ImportPath, Dir                             string
	GoFiles, Imports, TestImports, XTestImports []string
	TestGoFiles, XTestGoFiles, IgnoredGoFiles   []string
}

func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-tags", "realpeer", "-json", "./...")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p listed
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("go list found only %d packages", len(all))
	}
	return all
}

// row finds the entry of a package or of its nearest parent.
func row[V any](table map[string]V, pkg string) (V, bool) {
	for p := pkg; p != "." && p != ""; p = filepath.Dir(p) {
		if v, ok := table[p]; ok {
			return v, true
		}
	}
	var none V
	return none, false
}

func allows(list []string, imp string) bool {
	return slices.ContainsFunc(list, func(a string) bool {
		tree, ok := strings.CutSuffix(a, "/*")
		return a == imp || (ok && strings.HasPrefix(imp, tree+"/")) || a == internal+"*" && strings.HasPrefix(imp, internal)
	})
}

// TestRoomsOneDirection holds architecture.md §4: six rooms, one direction.
func TestRoomsOneDirection(t *testing.T) {
	for _, p := range list(t) {
		pkg := strings.TrimPrefix(p.ImportPath, module)
		may, ok := row(rooms, pkg)
		if !ok {
			t.Errorf("%s has no row in the table of rooms", pkg)
			continue
		}
		tests, _ := row(testsMay, pkg)
		check := func(imports, may []string, what string) {
			for _, i := range imports {
				imp, ours := strings.CutPrefix(i, module)
				if ours && imp != pkg && !strings.HasPrefix(imp, pkg+"/internal/") && !allows(may, imp) {
					t.Errorf("%s (%s) imports %s: its row allows %v", pkg, what, imp, may)
				}
			}
		}
		check(p.Imports, may, "code")
		check(append(p.TestImports, p.XTestImports...), append(slices.Clone(tests), append(may, pkg)...), "tests")
	}
}

// TestForeignPackagesStayInTheirRoom keeps libraries behind our own types.
func TestForeignPackagesStayInTheirRoom(t *testing.T) {
	for _, p := range list(t) {
		pkg := strings.TrimPrefix(p.ImportPath, module)
		for _, i := range p.Imports {
			for lib, may := range outside {
				if (i == lib || strings.HasPrefix(i, lib+"/")) && !under(may, pkg) && lib+"/slog" != i {
					t.Errorf("%s imports %s: only %v may", pkg, i, may)
				}
			}
		}
	}
}

func under(may []string, pkg string) bool {
	return slices.ContainsFunc(may, func(m string) bool {
		if m == "cmd/rackwright" || m == "inventory" {
			return pkg == m
		}
		return pkg == m || strings.HasPrefix(pkg, m+"/") && m != "redfish" && m != "pxe" && m != "inventory/storetest"
	})
}

// TestOnePackageComment: every package has exactly one, in doc.go.
func TestOnePackageComment(t *testing.T) {
	for _, p := range list(t) {
		var where []string
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if f.Doc != nil && strings.TrimSpace(f.Doc.Text()) != "" {
				where = append(where, name)
			}
		}
		if len(p.GoFiles) > 0 && !slices.Equal(where, []string{"doc.go"}) {
			t.Errorf("%s has its package comment in %v, want [doc.go]", p.ImportPath, where)
		}
	}
}

// verbMay names what a verb file imports of this module beyond client and
// inventory: the verbs that work offline, and the composition roots.
var verbMay = map[string][]string{
	"main.go":   {},
	"serve.go":  {internal + "server", internal + "config", internal + "auth"},
	"demo.go":   {internal + "server", internal + "virtualrack", internal + "config", internal + "auth", "inventory/handover", "inventory/intake"},
	"verify.go": {"inventory/handover"},
	"build.go":  {internal + "imagebuild", internal + "agentbin", "images", "inventory/sqlstore", internal + "config"}, // publishes where no server runs
	"record.go": {"inventory/sqlstore", internal + "config"},                                                           // backup, restore, fsck, doctor: no server runs then
}

// TestVerbFiles: a client verb imports client, wire types and vocabulary only.
func TestVerbFiles(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		base := name
		if head, _, ok := strings.Cut(name, "_"); ok {
			base = head + ".go" // demo_faults.go has demo.go's row
		}
		may := append([]string{internal + "client", internal + "api", "inventory", "inventory/lifecycle"}, verbMay[base]...)
		for _, spec := range f.Imports {
			imp, ours := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), module)
			if ours && !allows(may, imp) {
				t.Errorf("%s imports %s: a verb file may import %v", name, imp, may)
			}
		}
	}
}

// limits of style.md §1; a limit is met by splitting, never by raising it.
const (
	maxFileLines     = 400
	maxFunctionLines = 80
	maxMethods       = 5
)

// TestSizes holds the file, function and interface limits.
func TestSizes(t *testing.T) {
	for _, p := range list(t) {
		for _, name := range p.GoFiles {
			path := filepath.Join(p.Dir, name)
			set := token.NewFileSet()
			f, err := parser.ParseFile(set, path, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if n := set.Position(f.End()).Line; n > maxFileLines {
				t.Errorf("%s/%s has %d lines, at most %d", p.ImportPath, name, n, maxFileLines)
			}
			ast.Inspect(f, func(n ast.Node) bool { return sizes(t, p, set, n) })
		}
	}
}

func sizes(t *testing.T, p listed, set *token.FileSet, n ast.Node) bool {
	switch d := n.(type) {
	case *ast.FuncDecl:
		if lines := set.Position(d.End()).Line - set.Position(d.Pos()).Line; lines > maxFunctionLines {
			t.Errorf("%s: func %s has %d lines, at most %d", p.ImportPath, d.Name.Name, lines, maxFunctionLines)
		}
		if d.Name.Name == "init" && d.Recv == nil {
			t.Errorf("%s has an init function: values are built in cmd", p.ImportPath)
		}
	case *ast.TypeSpec:
		i, ok := d.Type.(*ast.InterfaceType)
		if ok && i.Methods.NumFields() > maxMethods && p.ImportPath != module+"inventory" {
			t.Errorf("%s: interface %s has %d methods, at most %d", p.ImportPath, d.Name.Name, i.Methods.NumFields(), maxMethods)
		}
	}
	return true
}
