package bmcsim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Ready is the one line of JSON that Process prints when everything listens.
type Ready struct {
	Control string // http://127.0.0.1:port
	BMCs    []Entry
}

// Process is a fleet as a process of its own: it reads a JSON array of Spec from
// in, prints Ready as one line to out, and serves until ctx ends or in, if it stays
// open after the array, is closed: so it never outlives the test that holds the pipe.
func Process(ctx context.Context, in io.Reader, out io.Writer, o Options) error {
	var specs []Spec
	d := json.NewDecoder(in)
	d.DisallowUnknownFields()
	if err := d.Decode(&specs); err != nil {
		return fmt.Errorf("bmcsim: specs on standard input: %w", err)
	}
	f, err := New(o, specs...)
	if err != nil {
		return err
	}
	if err := f.Start(); err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(fmt.Errorf("bmcsim: control port: %w", err), f.Close())
	}
	server := &http.Server{Handler: f.Control(), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(ln) }()
	raw, err := json.Marshal(Ready{Control: "http://" + ln.Addr().String(), BMCs: f.Directory()})
	if err == nil {
		_, err = fmt.Fprintf(out, "%s\n", raw)
	}
	if err == nil {
		err = wait(ctx, in, failed)
	}
	return errors.Join(err, server.Close(), f.Close())
}

// wait ends with the context, the standard input or the control server.
func wait(ctx context.Context, in io.Reader, failed <-chan error) error {
	closed := make(chan struct{})
	go func() { _, _ = io.Copy(io.Discard, in); close(closed) }() // an error is an end too
	select {
	case <-ctx.Done():
	case <-closed:
	case err := <-failed:
		return fmt.Errorf("bmcsim: control port: %w", err)
	}
	return nil
}
