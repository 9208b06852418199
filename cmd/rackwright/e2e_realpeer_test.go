//go:build realpeer

package main

import "testing"

// TestRealPeerStories tells the remaining stories, one fault each; they take
// minutes together.
func TestRealPeerStories(t *testing.T) { tell(t, slowStories) }
