package burnin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// client is the agent's end of the protocol.
type client struct {
	server     string
	http       *http.Client
	credential string
}

// AnswerError is a refusal of the server.
type AnswerError struct {
	Code int
	Ack  Ack
}

// Error gives code and reason.
func (e *AnswerError) Error() string {
	return fmt.Sprintf("server answered %d: %s", e.Code, e.Ack.Reason)
}

// Permanent reports whether asking again cannot help.
func (e *AnswerError) Permanent() bool {
	return e.Code >= 400 && e.Code < 500 && e.Code != http.StatusTooManyRequests && e.Code != http.StatusRequestTimeout
}

const answerLimit = 4 << 20

// call sends one request. Answers other than 2xx are *AnswerError.
func (c *client) call(ctx context.Context, method, path, secret string, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var payload io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		payload = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.server, "/")+Prefix+path, payload)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	req.Header.Set("Authorization", "Bearer "+secret)
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, answerLimit))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if resp.StatusCode/100 != 2 {
		e := &AnswerError{Code: resp.StatusCode}
		if json.Unmarshal(answer, &e.Ack) != nil {
			e.Ack.Reason = strings.ToValidUTF8(string(answer[:min(len(answer), 200)]), "?")
		}
		return e
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("%s %s: answer: %w", method, path, err)
	}
	return nil
}

// insist repeats a call until it succeeds, is refused for good or the context
// ends; the pause grows to 15 s.
func insist(ctx context.Context, pause time.Duration, call func() error) error {
	for {
		err := call()
		var a *AnswerError
		if err == nil || errors.As(err, &a) && a.Permanent() {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		case <-time.After(pause):
			pause = min(2*pause, 15*time.Second)
		}
	}
}

func runPath(run inventory.RunID, what string) string { return "/runs/" + string(run) + "/" + what }

func (c *client) hello(ctx context.Context, token inventory.Secret, h Hello) (Welcome, error) {
	var w Welcome
	err := c.call(ctx, http.MethodPost, "/hello", token.Reveal(), h, &w)
	return w, err
}

func (c *client) assignment(ctx context.Context, run inventory.RunID) (Assignment, error) {
	var a Assignment
	err := c.call(ctx, http.MethodGet, runPath(run, "assignment"), c.credential, nil, &a)
	return a, err
}

func (c *client) observe(ctx context.Context, run inventory.RunID, o inventory.Observation) error {
	return c.call(ctx, http.MethodPost, runPath(run, "observation"), c.credential, o, nil)
}

// send posts a batch and returns the number the server wants next, also after a gap.
func (c *client) send(ctx context.Context, b Batch) (uint64, error) {
	var ack Ack
	err := c.call(ctx, http.MethodPost, runPath(b.Run, "samples"), c.credential, b, &ack)
	var a *AnswerError
	if errors.As(err, &a) && a.Code == http.StatusConflict && a.Ack.Next > 0 {
		return a.Ack.Next, nil
	}
	return ack.Next, err
}
