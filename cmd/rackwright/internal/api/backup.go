package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/auth"
	"github.com/rackwright/rackwright/inventory"
)

// addBackup lets an admin copy the record while the server works on it.
func (s *Service) addBackup(api huma.API) {
	o := op(http.MethodGet, "/backup", "backup", "The whole record as one SQLite file, as it is at one moment; the keys are not in it")
	o.Responses = map[string]*huma.Response{"200": {Description: "SQLite file", Content: map[string]*huma.MediaType{
		octets: {Schema: &huma.Schema{Type: "string", Format: "binary"}}}}}
	huma.Register(api, o, func(ctx context.Context, _ *struct{}) (*huma.StreamResponse, error) {
		if _, err := s.may(ctx, auth.Administer, inventory.Rack{}); err != nil {
			return nil, err
		}
		dir, err := os.MkdirTemp("", "rackwright-backup-")
		if err != nil {
			return nil, problem(fmt.Errorf("backup: %w: %w", inventory.ErrReadOnly, err))
		}
		file := filepath.Join(dir, "record.db")
		if err := s.Backup(ctx, file); err != nil {
			return nil, problem(errors.Join(err, os.RemoveAll(dir)))
		}
		return &huma.StreamResponse{Body: func(ctx huma.Context) { s.sendFile(ctx, dir, file) }}, nil
	})
}

const octets = "application/octet-stream"

// sendFile names the length, so that a cut copy is never taken for a whole one.
func (s *Service) sendFile(ctx huma.Context, dir, file string) {
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			s.Log.Error("a copy of the record was left behind", "path", dir, "err", err)
		}
	}()
	f, err := os.Open(file)
	if err != nil {
		s.Log.Error("backup", "err", err)
		ctx.SetStatus(http.StatusInternalServerError)
		return
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil {
		ctx.SetHeader("Content-Length", fmt.Sprint(info.Size()))
	}
	ctx.SetHeader("Content-Type", octets)
	ctx.SetHeader("Content-Disposition", `attachment; filename="`+s.Site+"-"+time.Now().UTC().Format("20060102-150405")+`.db"`)
	if _, err := io.Copy(ctx.BodyWriter(), f); err != nil {
		s.Log.Warn("backup was not taken to its end", "err", err)
	}
}
