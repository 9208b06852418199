package inventory

var gateMessages = map[string]string{}
