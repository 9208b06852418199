package handover

import (
	"bytes"
	_ "embed" // the page's template
	"fmt"
	"html/template"
	"time"
)

//go:embed certificate.tmpl
var pageText string

// page renders a certificate for print. It is a rendering; the JSON counts.
func page(cert Certificate) ([]byte, error) {
	draft, err := cert.Digest()
	if err != nil {
		return nil, err
	}
	t, err := template.New("certificate").Funcs(template.FuncMap{
		"utc": func(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05 UTC") },
	}).Parse(pageText)
	if err != nil {
		return nil, fmt.Errorf("read the page's template: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, map[string]any{"C": cert, "Draft": draft, "Untested": cert.Untested()}); err != nil {
		return nil, fmt.Errorf("render certificate: %w", err)
	}
	return out.Bytes(), nil
}
