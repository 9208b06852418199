package bmcsim

import (
	"time"
)

// UpdateSpec is what the update service offers.
type UpdateSpec struct {
	Multipart, HTTPPush, Simple bool
	MaxImage                    int64    // bytes
	Parameters                  []string // allowed keys of UpdateParameters; others are refused
	ApplyTimes                  []string
	RetryAfter                  int  // seconds a 202 asks to wait; 0 sends no header
	Claim                       bool // HttpPushUriTargetsBusy must be set before a raw push (Lenovo)
	Faults                      UpdateFaults
}

// UpdateFaults are applied to the next Count updates (0: every one).
type UpdateFaults struct {
	Count        int
	FailAt       int      // percent; 0 off
	HoldAt       int      // percent; the task stays there, the bank is not finished
	TaskLostAt   int      // percent; the BMC resets itself, the task is gone, the bank was written
	ReapOnDone   bool     // task and monitor vanish on completion
	MonitorOnce  bool     // a GET of the finished monitor deletes it and the task
	NoTask       bool     // 204 without a task
	WrongVersion string   // what the bank really holds afterwards
	Unchanged    []string // component ids the update skips silently
	// BackgroundCopy is how long roots of trust copy to the second bank after a
	// write; BackgroundCopyStatus says so. 0: it is done at once.
	BackgroundCopy time.Duration
	// Pause leaves the task of a staged version in state Stopping, as bmcweb does,
	// until the version is active.
	Pause bool
}

// Quirks are deviations seen on real BMCs.
type Quirks struct {
	ETag            string        // "" strong, "weak", "header-differs", "none", "unquoted"
	RequireIfMatch  bool          // PATCH without If-Match is 428
	Patch204        bool          // PATCH answers 204 without a body
	BootInSettings  bool          // boot override only on @Redfish.Settings
	CloseAfterReply bool          // Connection: close on every answer
	SessionNoBody   bool          // a login answers 204 without a body
	ClockSkew       time.Duration // of the Date header against ours
}
