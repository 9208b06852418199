package inventory

// Events that advance a node; each names the milestone it enters.
const (
	EventReceived   EventKind = "received"
	EventInstalled  EventKind = "installed"
	EventDiscovered EventKind = "discovered"
	EventSecured    EventKind = "secured"
	EventVerified   EventKind = "verified"
	EventBaselined  EventKind = "baselined"
	EventBurnedIn   EventKind = "burned_in"
	EventRackTested EventKind = "rack_tested"
	EventAccepted   EventKind = "accepted"
	EventHandedOver EventKind = "handed_over"
)

// Events that move a node to or from a side milestone.
const (
	EventTriage  EventKind = "triage"  // a verdict failed; an owner is assigned
	EventRepair  EventKind = "repair"  // a person sends the unit to repair
	EventReturn  EventKind = "return"  // back to the highest milestone still valid
	EventRetired EventKind = "retired" // wipe evidence or a waiver was there
)

// Events that invalidate evidence (lifecycle.md §6).
const (
	EventPartChanged     EventKind = "part_changed"
	EventBMCReplaced     EventKind = "bmc_replaced"
	EventBMCReset        EventKind = "bmc_reset"
	EventFirmwareDiffers EventKind = "firmware_differs"
	EventMoved           EventKind = "moved"
	EventRotated         EventKind = "rotated"
	EventSafetyTrip      EventKind = "safety_trip"
	EventPlanRaised      EventKind = "plan_raised"
	EventMembersChanged  EventKind = "members_changed"
)

// Events of a rack that people and paper cause. Milestones 6 to 10 are
// computed and have the single event EventComputed.
const (
	EventRackShipped         EventKind = "rack.shipped"
	EventRackArrived         EventKind = "rack.arrived"
	EventRackReceived        EventKind = "rack.received"
	EventRackInstalled       EventKind = "rack.installed"
	EventRackPowerReady      EventKind = "rack.power_ready"
	EventRackComputed        EventKind = "rack.computed"
	EventRackInReview        EventKind = "rack.in_review"
	EventRackAccepted        EventKind = "rack.accepted"
	EventRackHandedOver      EventKind = "rack.handed_over"
	EventRackReopened        EventKind = "rack.reopened"
	EventRackRework          EventKind = "rack.rework"
	EventRackRejected        EventKind = "rack.rejected"
	EventRackDecommissioning EventKind = "rack.decommissioning"
	EventRackRemoved         EventKind = "rack.removed"
)
