package pxe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"
)

// serveHTTP serves boot files on the room's own port until the context ends.
// With [NoHTTP] somebody else mounts [Service.Handler].
func (s *Service) serveHTTP(ctx context.Context) error {
	if s.sockets.http == nil {
		<-ctx.Done()
		return nil
	}
	srv := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(s.sockets.http) }()
	select {
	case err := <-done:
		return fmt.Errorf("pxe: HTTP boot: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil {
		err = errors.Join(err, srv.Close())
		s.log.Warn("boot transfers were cut off", "err", err)
	}
	<-done
	return nil
}

// Deadlines by rate, not by total time: an image over a slow link is fine, a
// reader that has stopped is not.
const (
	sliceBytes = 4 << 20
	slowest    = 64 << 10 // bytes a second
	patience   = 20 * time.Second
)

// body counts what a machine received and renews the write deadline with every
// slice. It keeps the path to sendfile: a slice of a file is still a file.
type body struct {
	http.ResponseWriter
	ctl    *http.ResponseController
	status int
	n      int64
}

func newBody(w http.ResponseWriter) *body {
	return &body{ResponseWriter: w, ctl: http.NewResponseController(w)}
}

// Unwrap lets a ResponseController through.
func (b *body) Unwrap() http.ResponseWriter { return b.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (b *body) WriteHeader(status int) {
	if b.status == 0 {
		b.status = status
	}
	b.ResponseWriter.WriteHeader(status)
}

func (b *body) deadline(n int64) {
	// An error means a writer without deadlines, as in a test's recorder.
	_ = b.ctl.SetWriteDeadline(time.Now().Add(patience + time.Duration(n/slowest)*time.Second))
}

// Write implements http.ResponseWriter.
func (b *body) Write(p []byte) (int, error) {
	if b.status == 0 {
		b.status = http.StatusOK
	}
	b.deadline(int64(len(p)))
	n, err := b.ResponseWriter.Write(p)
	b.n += int64(n)
	return n, err
}

// ReadFrom implements io.ReaderFrom in slices.
func (b *body) ReadFrom(r io.Reader) (int64, error) {
	to, ok := b.ResponseWriter.(io.ReaderFrom)
	if !ok {
		return io.Copy(struct{ io.Writer }{b}, r)
	}
	if b.status == 0 {
		b.status = http.StatusOK
	}
	outer, bounded := r.(*io.LimitedReader)
	var sent int64
	for {
		part := &io.LimitedReader{R: r, N: sliceBytes}
		if bounded {
			part = &io.LimitedReader{R: outer.R, N: min(outer.N, sliceBytes)}
		}
		want := part.N
		if want == 0 {
			return sent, nil
		}
		b.deadline(want)
		n, err := to.ReadFrom(part)
		sent, b.n = sent+n, b.n+n
		if bounded {
			outer.N -= n
		}
		if err != nil || n < want {
			return sent, err
		}
	}
}
